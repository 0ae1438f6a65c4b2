"""The progress bars of a download on a real terminal; and that a pipe gets none of them."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path

import pytest

from logger.transfer.progress_bars import ProgressBars
from tests.logger.command_line import ENVIRONMENT, stagelog
from tests.logger.crew.serving import serving
from tests.logger.transfer.logs_made import closed

NAME = "stage-1-001.db"
MB = 1_000_000
PATIENCE_S = 30.0
WIDTH = "100"
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A pseudo-terminal: reads what is written to `slave`, without colours."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()

    def close(self) -> None:
        os.close(self._master)
        os.close(self.slave)

    def read(self, wait_s: float = 0.0) -> str:
        """The output since the last call."""
        fresh = b""
        while select.select([self._master], [], [], wait_s)[0]:
            fresh += os.read(self._master, 65536)
            wait_s = 0.05
        return fresh.decode(errors="replace")

    def until(self, pattern: str) -> str:
        """The line that matches a pattern, as soon as it is drawn."""
        shown, began = "", time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            shown += CONTROLS.sub("", self.read(0.2))
            for line in re.split(r"[\r\n]+", shown):
                if re.search(pattern, line):
                    return line
        raise AssertionError(f"no {pattern!r} in {shown!r}")

    def until_wiped(self) -> None:
        """Wait until a line has been wiped and nothing is drawn after it."""
        wiped, began = "", time.monotonic()
        while "\x1b[2K" not in wiped or CONTROLS.sub("", wiped.rpartition("\x1b[2K")[2]).strip():
            assert time.monotonic() - began < PATIENCE_S, wiped
            wiped += self.read(0.3)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    """A terminal of known width."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", WIDTH)
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    yield terminal
    terminal.close()


@contextmanager
def bars_on(terminal: Terminal, clock: Callable[[], float] = time.monotonic) -> Iterator[ProgressBars]:
    """ProgressBars of this process, whose standard error is the terminal meanwhile."""
    with (
        os.fdopen(os.dup(terminal.slave), "w") as stream,
        redirect_stderr(stream),
        ProgressBars(clock) as bars,
    ):
        yield bars


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def test_rate_and_time_left_count_only_this_fetch(terminal: Terminal) -> None:
    clock = Clock()
    with bars_on(terminal, clock) as bars:
        bars.moved(NAME, 500 * MB, 600 * MB)  # bytes of an earlier fetch
        for at in (505, 510, 515, 520):
            clock.s += 1.0
            bars.moved(NAME, at * MB, 600 * MB)
        clock.s += 1.0  # what was drawn in between is kept for half a second
        line = terminal.until(r"520\.0/600\.0 MB .*0:00:16")
        assert NAME in line
        assert " 5.0 MB/s " in line


def test_copying_and_checking_are_shown(terminal: Terminal) -> None:
    with bars_on(terminal) as bars:
        bars.preparing(NAME, 0.25)
        terminal.until(f"{NAME}: the car copies it, 25%")
        bars.moved(NAME, 0, 10 * MB)
        assert "checking" not in terminal.until(r"0\.0/10\.0 MB")
        bars.checking(NAME, 0.5)
        terminal.until(f"{NAME}: checking, 50%")
        bars.message("the line is cut [/bold]")
        terminal.until(r"stagelog: the line is cut \[/bold\]")


def test_names_are_shown_unchanged(terminal: Terminal) -> None:
    with bars_on(terminal) as bars:
        bars.moved("[red]stage[/red].db", 1, 2)
        terminal.until(r"\[red\]stage\[/red\]\.db")


def test_nothing_is_drawn_before_the_first_bar_or_left_after_the_last(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    with bars_on(terminal) as bars:
        assert terminal.read(0.3) == "", "the pin may be asked for there"
        for name in (NAME, "stage-2-001.db"):
            bars.moved(name, 1 * MB, 2 * MB)
            terminal.until(r"1\.0/2\.0 MB")
            bars.done(name)
            terminal.until_wiped()
        bars.done("stage-3-001.db")
    assert capsys.readouterr().out == "", "the verb prints the outcomes"


def test_the_verb_draws_on_a_terminal_and_not_into_a_pipe(tmp_path: Path, terminal: Terminal) -> None:
    (tmp_path / "car").mkdir()
    closed(tmp_path / "car" / "logs" / NAME)
    with serving(tmp_path / "car", tmp_path / "live.sock") as server:
        for folder in ("drawn", "piped"):
            (tmp_path / folder).mkdir()
        with subprocess.Popen(
            [sys.executable, "-m", "logger", "fetch", server.url, "--patience", "30"],
            cwd=tmp_path / "drawn",
            env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": WIDTH},
            stdout=subprocess.PIPE,
            stderr=terminal.slave,
            text=True,
        ) as drawing:
            terminal.until(f"{NAME}.*([0-9.]+/[0-9.]+ (MB|kB)|copies it|checking)")
            assert drawing.stdout is not None
            outcome = drawing.stdout.read()
        assert drawing.returncode == 0
        piped = stagelog("fetch", server.url, "--patience", "30", folder=tmp_path / "piped")
    assert "\x1b" not in outcome
    assert (piped.code, piped.err, piped.out) == (0, "", outcome)
    assert (tmp_path / "drawn" / NAME).read_bytes() == (tmp_path / "piped" / NAME).read_bytes()
