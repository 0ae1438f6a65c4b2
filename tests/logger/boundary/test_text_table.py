"""Tables that fit a terminal: numbers stay whole, texts lose their middle, columns continue below."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.boundary.text_table import GAP, MIN_TEXT_CELLS, cells, shortened, table_lines
from tests.logger import drives
from tests.logger.command_line import ENVIRONMENT, stagelog

WIDTHS = (60, 80, 120)
COLUMNS = ["log", "stage", "begun", "duration", "fixes", "frames", "size", "state"]
LONG = "dakar-2026-11-car-225-" + "x" * 60 + "-001.db"
NUMBERS = ["2026-01-15 02:57:00", "0:23:30", "1411", "28123456", "310.3 MB"]
ROWS = [
    [LONG, "Dakar 2026 11 Bisha - Al Henakiyah", *NUMBERS, "closed"],
    ["b.db", "-", *NUMBERS, "cannot be read: its pages are damaged or missing"],
]


@pytest.mark.parametrize("width", [40, *WIDTHS, 300])
def test_every_line_fits_and_every_number_is_whole(width: int) -> None:
    lines = table_lines(COLUMNS, ROWS, width)
    assert max(map(cells, lines)) <= width
    text = "\n".join(lines)
    assert all(text.count(number) == len(ROWS) for number in NUMBERS)
    assert all(name in text for name in COLUMNS)


def test_a_pipe_gets_all_of_each_cell() -> None:
    lines = table_lines(COLUMNS, ROWS, None)
    assert len(lines) == 1 + len(ROWS)
    assert all(cell in line for line, row in zip(lines[1:], ROWS, strict=True) for cell in row)


def test_a_name_keeps_its_ends() -> None:
    (_, first, _) = table_lines(["log", "size"], [[LONG, "1.0 MB"], ["b.db", "2.0 MB"]], 40)
    assert first.startswith("dakar-2026-")
    assert first.endswith("-001.db  1.0 MB")
    assert "…" in first


def test_a_narrow_table_stays_as_it_is() -> None:
    assert table_lines(["car", "time"], [["71", "0:10:00"]], 20) == ["car  time", "71   0:10:00"]


def test_columns_that_do_not_fit_continue_below_in_line() -> None:
    _, *rest = table_lines(COLUMNS, ROWS, 60)
    assert len(rest) == 2 * len(ROWS) + 1, "two lines for each row"
    assert rest[0].startswith(GAP)
    at = rest[0].index("state")
    assert rest[2][at:].startswith("closed")
    assert rest[4][at:].startswith("cannot be read")


@pytest.mark.parametrize("text", ["日本語のとても長いステージ名です", "é" * 40, "e\u0301" * 40, "x" * 40])
@pytest.mark.parametrize("width", [1, 5, 12, 13])
def test_shortened_by_cells_not_by_characters(text: str, width: int) -> None:
    assert cells(shortened(text, width)) <= width


@given(
    st.lists(
        st.lists(st.text(st.characters(categories=["L", "N", "P"]), max_size=60), min_size=4, max_size=4)
    ),
    st.integers(20, 200),
)
def test_any_table_fits(rows: list[list[str]], width: int) -> None:
    lines = table_lines(["a", "b", "c", "d"], rows, width)
    figures = [len(cell) for row in rows for cell in row if cell.isdecimal()]
    assert max(map(cells, lines)) <= max(
        width, MIN_TEXT_CELLS + len(GAP), *(len(GAP) + n for n in figures), 0
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    drives.write_log(folder / LONG, drives.fixes(drives.plan(600), 1))
    return folder


def on_terminal(*arguments: str, folder: Path, width: int) -> list[str]:
    """The lines that a command prints on a terminal of a width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in ENVIRONMENT.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-m", "logger", *arguments],
        cwd=folder,
        env=environment,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ):
        os.close(theirs)
        text = b""
        while True:
            try:
                text += os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
    os.close(ours)
    return text.decode().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("verb", ["logs .", f"review {LONG}"])
def test_a_real_terminal(verb: str, width: int, folder: Path) -> None:
    lines = on_terminal(*verb.split(), folder=folder, width=width)
    tables = [line for line in lines if GAP in line.strip()]
    assert tables
    assert max(map(cells, tables)) <= width


def test_a_pipe_is_not_wrapped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "COLUMNS", "60")
    ended = stagelog("logs", ".", folder=folder)
    assert LONG in ended.out
    assert len(ended.out.splitlines()) == 2
