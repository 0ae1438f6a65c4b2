"""`stagelog demo` as a newcomer sees it: on a terminal, in a pipe, with a busy port, with and without a browser.

The earlier part of the stage, which takes seconds, is left out; the car, the recorder and the crew page are real.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import threading
from pathlib import Path

import pytest

from firmware_bridge.errors import DeviceError
from logger.demo import demo, stages
from logger.demo.crew_page import has_server
from logger.recorder.daemon import RecorderStatus
from tests.child_processes import children
from tests.logger.command_line import ENVIRONMENT, stagelog
from tests.logger.pseudo_terminal import Terminal
from tests.reserved_port import reserved_port

CONFIGURATION, NO_DEVICE = 64, 69
LOG = "stagelog-demo/none.db"


def starter(usual_port: int = 0) -> tuple[str, str]:
    """Python's arguments for `stagelog` with a demonstration that begins at once."""
    code = f"""
import pathlib
from logger.demo import demo, stages

def prepare(folder, progress):
    folder.mkdir(exist_ok=True)
    progress(1.0)
    built_in, car = stages.stage(demo.STAGE), demo.driven()
    day = stages.plan(built_in, car)
    return demo.Demonstration(folder, built_in, car, day.drive, demo.start_of(day), pathlib.Path("{LOG}"))

demo.prepare, demo.USUAL_PORT = prepare, {usual_port}
from logger.__main__ import start
start()
"""
    return "-c", code


SAID = [
    "preparing: the stage up to the first checkpoint is driven and logged",
    f"log:       {LOG}",
    "stop with Ctrl-C",
    r"crew page: http://127\.0\.0\.1:\d+/",
    f"the log is {LOG}",
]


def assert_said(lines: list[str], *more: str) -> None:
    """`lines` are those of a demonstration, `more` after the first."""
    patterns = [SAID[0], *more, *SAID[1:]]
    assert len(lines) == len(patterns), lines
    assert all(re.fullmatch(*pair) for pair in zip(patterns, lines, strict=True)), lines


@pytest.mark.pty
def test_on_a_terminal_the_address_is_the_last_line_above_the_live_line(tmp_path: Path) -> None:
    terminal = Terminal(*starter(), "demo", "--can-rate", "100", folder=tmp_path)
    terminal.until("crew page: ")
    address = terminal.until("\r\n")
    page = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=30)
    page.request("GET", "/")
    assert page.getresponse().status == 200
    page.close()
    terminal.until("recording: ")
    terminal.until("gps open")
    terminal.signal(signal.SIGINT)
    assert terminal.wait() == 0, terminal.seen
    assert_said([line for line in terminal.lines() if line])


def test_in_a_pipe_only_the_messages_are_printed(tmp_path: Path) -> None:
    ended = stagelog("demo", "--seconds", "3", folder=tmp_path, starter=starter())
    assert ended.code == 0
    assert ended.out == ""
    assert_said(ended.err.splitlines())


def test_a_busy_usual_port_is_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = stagelog("demo", "--seconds", "1", folder=tmp_path, starter=starter(port))
    assert ended.code == 0
    assert_said(ended.err.splitlines(), rf"{port} is busy, using \d+")
    using, address = re.findall(r"using (\d+)|:(\d+)/", ended.err)
    assert using[0] == address[1]


def test_a_port_that_was_asked_for_is_never_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = stagelog("demo", "--port", str(port), folder=tmp_path, starter=starter())
    assert ended.code == NO_DEVICE
    expected = (
        f"stagelog: 127.0.0.1:{port}: cannot serve there: Address already in use; choose another --port"
    )
    assert ended.err.splitlines()[-1].startswith(expected)
    assert list(tmp_path.iterdir()) == [], "nothing is prepared in vain"


def test_a_port_that_was_asked_for(tmp_path: Path) -> None:
    with reserved_port() as port:
        ended = stagelog("demo", "--port", str(port), "--seconds", "1", folder=tmp_path, starter=starter())
    assert f"crew page: http://127.0.0.1:{port}/" in ended.err.splitlines()


def test_no_other_program_gets_the_port_before_the_page() -> None:
    """The drive so far is made meanwhile, which takes seconds."""
    with demo.reserve_port(0) as reserved:
        address = reserved.getsockname()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        with socket.create_server(address):
            assert has_server(address[1])


def test_the_first_line_comes_before_anything_slow(tmp_path: Path) -> None:
    """numpy and the virtual car take seconds to import on a Pi; that numpy is there is looked up without an import."""
    code = """
import sys
from importlib.machinery import ModuleSpec

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "rich", "construct"):
            return ModuleSpec(name, self)

    def create_module(self, spec):
        raise ModuleNotFoundError(f"No module named {spec.name!r}", name="numpy")

    def exec_module(self, module):
        raise AssertionError("the module was not created")

sys.meta_path.insert(0, Broken())
from logger.__main__ import start
start()
"""
    ended = stagelog("demo", folder=tmp_path, starter=("-c", code))
    first, error = ended.err.splitlines()
    assert first == SAID[0]
    assert "needs numpy" in error
    assert ended.code == CONFIGURATION


def test_open_starts_the_browser_with_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/opened\nkill -TERM $PPID\n'
    )  # ends the demonstration
    browser.chmod(0o755)
    monkeypatch.setitem(ENVIRONMENT, "BROWSER", str(browser))
    ended = stagelog("demo", "--open", "--seconds", "60", folder=tmp_path, starter=starter())
    assert_said(ended.err.splitlines())
    assert (tmp_path / "opened").read_text().strip() == ended.err.splitlines()[3].partition(": ")[2]
    (tmp_path / "opened").unlink()
    stagelog("demo", "--seconds", "2", folder=tmp_path, starter=starter())
    assert not (tmp_path / "opened").exists(), "only when it is asked for"


@pytest.mark.parametrize("text_browser", [False, True])
def test_open_without_a_graphical_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text_browser: bool
) -> None:
    """A text browser would take over the terminal, and wait for its user."""
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delitem(ENVIRONMENT, name, raising=False)
    monkeypatch.setitem(ENVIRONMENT, "PATH", str(tmp_path))
    if text_browser:
        (tmp_path / "w3m").write_text(f"#!/bin/sh\necho started > {tmp_path}/opened\n")
        (tmp_path / "w3m").chmod(0o755)
    ended = stagelog("demo", "--open", "--seconds", "1", folder=tmp_path, starter=starter())
    assert ended.code == 0
    assert "no graphical browser is found here: open the address yourself" in ended.err
    assert not (tmp_path / "opened").exists()


@pytest.mark.pty
def test_a_crew_page_that_dies_ends_the_demonstration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "USUAL_PORT", 0)
    built_in, car = stages.stage(demo.STAGE), demo.driven()
    day = stages.plan(built_in, car)
    Path("demo").mkdir()
    begun = demo.Demonstration(Path("demo"), built_in, car, day.drive, demo.start_of(day), Path(LOG))

    others = children(os.getpid())  # those of other tests in this process, such as a browser

    def kill_the_page(_status: RecorderStatus) -> None:
        for child in children(os.getpid()) - others:
            os.kill(child, signal.SIGKILL)

    with pytest.raises(DeviceError, match="the crew page has ended"):
        demo.run(begun, 10, 100, threading.Event(), lambda _: None, kill_the_page)
