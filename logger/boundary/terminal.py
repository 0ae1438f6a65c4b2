"""Print untrusted text safely: every line on a terminal, in a pipe or in the journal is written here.

    echo(line)                one line, bounded; unprintable characters become marks
    echo_json(document)       valid JSON, without unprintable characters
    print_table, print_tables columns of bounded cells
    progress_bar, LiveLine    redrawn lines on a terminal
    output_bytes()            standard output for an export: the caller writes safe bytes

Names, notes, errors and answers come from logs, cars and strangers. `mark_streams` replaces control characters in
everything else that is printed. A stream has to pass line ends, so `echo` also replaces a line end within a name.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, TextIO

from firmware_bridge.printable import printable
from logger.boundary.standard_streams import styled
from logger.boundary.text_table import beginning, table_lines

MAX_LINE_CHARS: Final = 2_000
"""Per line: several names and a deep path fit; a hostile note has megabytes."""
_OVERWRITE: Final = "\r\x1b[K"
"""Return to the start of the line and erase it."""
_USUAL_COLUMNS: Final = 80
"""The width of a terminal that does not know its own, such as a serial console."""


def echo(line: object = "", *, err: bool = False) -> None:
    """Write one line to standard output, or to standard error with `err`."""
    with above_live_line():
        print(printable(line, MAX_LINE_CHARS), file=sys.stderr if err else sys.stdout, flush=True)


def echo_json(document: object, *, indent: int | None = 1, default: Callable[[Any], object] = str) -> None:
    """Write a document as JSON. A number that JSON lacks (NaN, infinity) becomes null."""
    print(json_text(document, sys.stdout.encoding or "ascii", indent, default), flush=True)


def json_text(
    document: object, encoding: str, indent: int | None = None, default: Callable[[Any], object] = str
) -> str:
    """JSON text that `encoding` can represent, with unprintable characters escaped."""
    try:
        text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False, default=default)
    except ValueError:
        text = json.dumps(_finite(document), indent=indent, ensure_ascii=False, default=default)
    try:
        text.encode(encoding, "surrogatepass" if encoding.lower().startswith("utf") else "strict")
    except UnicodeEncodeError:
        return "\n".join(_escaped(line, str.isascii) for line in text.split("\n"))
    return "\n".join(_escaped(line, str.isprintable) for line in text.split("\n"))


def _escaped(line: str, holds: Callable[[str], bool]) -> str:
    if line.isprintable() and holds(line):
        return line
    return "".join(c if c.isprintable() and holds(c) else json.dumps(c)[1:-1] for c in line)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table that fits the terminal; into a pipe, all of each cell."""
    head, *shown = ([printable(cell) for cell in row] for row in (columns, *rows))
    for line in table_lines(head, shown, _width()):
        print(line)
    sys.stdout.flush()


def _width() -> int | None:
    """The width of the terminal in cells, which COLUMNS overrides; None for a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_tables(tables: Iterable[tuple[str, Sequence[str], Sequence[Sequence[object]]]]) -> None:
    """Print title, columns and rows of each table, with an empty line before each."""
    for title, columns, rows in tables:
        echo()
        echo(title)
        print_table(columns, rows)


def output_bytes() -> BinaryIO:
    """Standard output in binary, for the bytes of an export; the exporter makes them safe."""
    sys.stdout.flush()
    return sys.stdout.buffer


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on standard error while the body runs; it yields a function that takes the share done, 0 to 1."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from logger.boundary.console import bar  # noqa: PLC0415 - rich: a tenth of a second to import, for terminals only

    with bar(title) as update:
        yield update


class LiveLine:
    """One line on standard error that is overwritten, below all other lines; nothing where there is no terminal.

    `echo` and `log_handler` write above it. A process draws one at a time.
    """

    def __init__(self) -> None:
        self._text = ""
        self._on_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._on_terminal:
            with above_live_line():
                self._text = printable(text, MAX_LINE_CHARS)
                _live.append(self)

    def say(self, text: str) -> None:
        """Print a line above the progress line."""
        echo(text, err=True)

    def end(self) -> None:
        """Erase the line."""
        with above_live_line():
            _live.clear()

    def draw(self) -> None:
        """Write the line, cut at the terminal's width: a longer one would fill two rows, and only one is erased."""
        columns = os.get_terminal_size(sys.stderr.fileno()).columns or _USUAL_COLUMNS
        print(_OVERWRITE + beginning(self._text, columns - 1), end="", file=styled(sys.stderr), flush=True)


_live: deque[LiveLine] = deque(maxlen=1)
_lock = threading.RLock()
"""Lines of several threads do not mix, neither with each other nor with the live line."""


@contextmanager
def above_live_line() -> Iterator[None]:
    """Erase the live line, if there is one, and draw it again below what the body prints."""
    with _lock:
        if _live:
            print(_OVERWRITE, end="", file=styled(sys.stderr), flush=True)
        try:
            yield
        finally:
            if _live:
                _live[0].draw()


def log_handler() -> logging.Handler:
    """A handler that writes log records to standard error, one line each."""
    handler = _LogHandler(sys.stderr)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    return handler


class _LogHandler(logging.StreamHandler[TextIO]):
    def emit(self, record: logging.LogRecord) -> None:
        with above_live_line():
            super().emit(record)


class OneLine(logging.Formatter):
    """Format a log record's message as one line; a traceback follows on separate lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The message as one bounded line."""
        return printable(super().formatMessage(record), MAX_LINE_CHARS)
