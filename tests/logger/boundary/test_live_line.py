"""The live line on real terminals: it never mixes with other lines, and there is none in a pipe."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.logger.command_line import ENVIRONMENT, stagelog
from tests.logger.pseudo_terminal import Terminal

_THREADS, _LINES = 4, 50
_PROGRAM = f"""
import logging, sys, threading
from logger.boundary.standard_streams import mark_streams
from logger.boundary.terminal import LiveLine, echo, log_handler
mark_streams()
logging.basicConfig(handlers=[log_handler()], level=logging.INFO)
live = LiveLine()
live.show("the first line")

def body(number):
    for count in range({_LINES}):
        echo(f"out {{number}} {{count}}")
        echo(f"err {{number}} {{count}}", err=True)
        logging.getLogger("x").info("log %d %d", number, count)
        live.show(f"live {{number}} {{count}} " + "x" * 300)

threads = [threading.Thread(target=body, args=(number,)) for number in range({_THREADS})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
live.end()
live.say("the end")
"""


def expected() -> set[str]:
    """Every line that stays."""
    numbers = [(number, count) for number in range(_THREADS) for count in range(_LINES)]
    return {"the end"} | {
        f"{kind} {number} {count}" for kind in ("out", "err", "INFO log") for number, count in numbers
    }


@pytest.mark.pty
@pytest.mark.parametrize("columns", [80, 20])
def test_lines_of_threads_never_mix_with_the_live_line(columns: int) -> None:
    terminal = Terminal("-c", _PROGRAM, columns=columns)
    assert terminal.wait() == 0, terminal.seen
    assert set(terminal.lines()) - {""} == expected()
    drawn = [
        text
        for line in terminal.seen.split("\r\n")
        for text in line.split("\r\x1b[K")
        if text.startswith("live")
    ]
    assert drawn
    assert max(map(len, drawn)) < columns, "a longer one would fill two rows"


@pytest.mark.pty
def test_wide_characters_count_twice() -> None:
    program = "from logger.boundary.terminal import LiveLine\nLiveLine().show('車' * 60)\n"
    terminal = Terminal("-c", program)
    assert terminal.wait() == 0
    assert terminal.lines()[-1] == "車" * 39


@pytest.mark.pty
def test_a_terminal_without_controls_gets_none() -> None:
    terminal = Terminal("-c", _PROGRAM, environment=ENVIRONMENT | {"TERM": "dumb"})
    assert terminal.wait() == 0
    assert "\x1b" not in terminal.seen
    assert set(terminal.lines()) - {""} == expected()


def test_a_pipe_gets_no_live_line(tmp_path: Path) -> None:
    ended = stagelog(folder=tmp_path, starter=("-c", _PROGRAM))
    assert set(ended.out.splitlines() + ended.err.splitlines()) == expected()
