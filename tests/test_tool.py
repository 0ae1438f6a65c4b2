"""The test tool itself: marks of tests, what a `unit` test may not do, and second looks at failures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kinds import ROOT, needs_of
from tests.second_look import MAX_FAILURES, SecondLook

FILES = {
    "": "import os, json\nprint(os.getpid())",
    "process": "import subprocess",
    "pty": "import os\nos.openpty()",
    "socket": "from urllib import request",
    "browser": "def look():\n    from playwright.sync_api import sync_playwright",
    "vm process": "from tests.systemd.machine import booted",
    "process ": "from tests.logger import command_line",
}


@pytest.mark.parametrize("needs", FILES)
def test_a_file_needs_what_it_imports_itself_or_through_helpers(needs: str, tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FILES[needs])
    assert needs_of(tmp_path / "test_it.py") >= set(needs.split())
    assert needs or not needs_of(tmp_path / "test_it.py")


def _pytest(folder: Path, text: str, *arguments: str) -> str:
    """The output of a suite of one file with these plugins. The file is outside `tests`, so it gets no marks."""
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  unit\n  pty\n  process\n  load_sensitive\n")
    (folder / "test_it.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.kinds",
        "-p",
        "tests.second_look",
        *arguments,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stdout


def test_a_unit_test_that_starts_something_fails(tmp_path: Path) -> None:
    output = _pytest(
        tmp_path,
        "import os, socket, subprocess, threading, pytest\n"
        "def process(): subprocess.run(['true'])\n"
        "def by_fork(): os.waitpid(os.fork() or os._exit(0), 0)\n"
        "def pty(): [os.close(end) for end in os.openpty()]\n"
        "def listening(): socket.socket().bind(('127.0.0.1', 0))\n"
        "def in_a_thread():\n  thread = threading.Thread(target=process); thread.start(); thread.join()\n"
        "@pytest.mark.parametrize('act', [process, by_fork, pty, listening, in_a_thread])\n"
        "def test_it(act): act()\n"
        "@pytest.mark.process\n"
        "def test_marked(): process()\n"
        "def test_pure(): assert True\n"
        "begins, ended = threading.Event(), threading.Event()\n"
        "def later(): begins.wait(); process(); ended.set()\n"
        "@pytest.mark.process\n"
        "def test_that_leaves_a_thread(): threading.Thread(target=later, daemon=True).start()\n"
        "def test_meanwhile(): begins.set(); ended.wait()\n",
    )
    assert "5 failed, 4 passed" in output
    for need in ("process (subprocess.Popen", "process (os.fork", "pty (os.openpty", "socket (socket.bind"):
        assert f"not a unit test: mark it {need}" in output


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_test_run_in_the_background_can_interrupt_programs(workers: str, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        output = _pytest(
            tmp_path,
            "import signal, subprocess, pytest\n"
            "@pytest.mark.process\n"
            "def test_it():\n"
            "  process = subprocess.Popen(['sleep', '60'])\n"
            "  process.send_signal(signal.SIGINT)\n"
            "  assert process.wait(30) == -signal.SIGINT\n",
            *("-p", "tests.same_environment", "-n", workers),
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert "1 passed" in output


def test_what_every_test_uses_needs_nothing(request: pytest.FixtureRequest) -> None:
    """Otherwise no test would be a unit test, and `--fast` would run none."""
    definitions = request.node._fixtureinfo.name2fixturedefs.values()
    files = {Path(each.func.__code__.co_filename) for several in definitions for each in several}
    own = {file for file in files if file.is_relative_to(ROOT / "tests")}
    assert own
    assert not {file: needs_of(file) for file in own if needs_of(file)}


def test_fast_imports_no_file_without_unit_tests(tmp_path: Path) -> None:
    output = _pytest(tmp_path, "import subprocess\nraise SystemExit('imported')\n", "--fast")
    assert "no tests ran" in output
    (tmp_path / "test_pure.py").write_text("def test_it(): pass\n")
    assert "1 passed" in _pytest(tmp_path, "import subprocess\nraise SystemExit('imported')\n", "--fast")


def _look(root: Path, *outcomes: bool) -> SecondLook:
    """A second look at the failures in a folder, with the given outcomes of the runs alone."""
    remaining: Iterator[bool] = iter(outcomes)
    return SecondLook(root, lambda _name: next(remaining))


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """A folder in which one load_sensitive test failed."""
    output = _pytest(
        tmp_path,
        "import pytest\n@pytest.mark.load_sensitive\ndef test_it(): assert False\ndef test_other(): pass\n",
    )
    assert "1 failed, 1 passed" in output
    return tmp_path


@pytest.mark.parametrize(
    ("outcomes", "settled"),
    [
        ((True, True), True),
        ((False, True, True), True),
        ((True, False, True), True),
        ((True, False, False), False),
        ((False, False), False),
    ],
)
def test_a_second_look_needs_two_passes_of_three_runs(
    outcomes: tuple[bool, ...], settled: bool, failed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _look(failed, *outcomes).settle(is_whole=True) is settled
    output = capsys.readouterr().out
    assert "second look: 1 load_sensitive failed" in output
    assert f"test_it.py::test_it: passed {outcomes.count(True)} of {len(outcomes)} alone" in output


def test_a_second_look_in_two_of_three_runs_fails_the_build(failed: Path) -> None:
    good = (True, True)
    assert _look(failed, *good).settle(is_whole=True)
    _look(failed).passed()
    assert not _look(failed, *good).settle(is_whole=True), "two of three"
    _look(failed).passed()
    _look(failed).passed()
    assert _look(failed, *good).settle(is_whole=False), "a part of the suite does not count"
    assert _look(failed, *good).settle(is_whole=True), "one of three"


def test_a_failure_without_the_mark_gets_no_second_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "import pytest\n@pytest.mark.load_sensitive\ndef test_it(): assert False\ndef test_other(): assert False\n"
    assert "2 failed" in _pytest(tmp_path, text)
    assert not _look(tmp_path).settle(is_whole=True)
    assert "no second look: 2 failed, 1 are not load_sensitive" in capsys.readouterr().out


def test_many_failures_get_no_second_look(tmp_path: Path) -> None:
    text = f"import pytest\n@pytest.mark.load_sensitive\n@pytest.mark.parametrize('n', range({MAX_FAILURES + 1}))\n"
    assert f"{MAX_FAILURES + 1} failed" in _pytest(tmp_path, text + "def test_it(n): assert False\n")
    assert not _look(tmp_path).settle(is_whole=True)


def test_an_interrupted_run_gets_no_second_look(failed: Path) -> None:
    second_look = _look(failed)
    second_look.begin()
    assert not second_look.settle(is_whole=True)
