"""What the verbs show on a terminal: progress bars and tables. Into a pipe goes plain text, and no bar at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[float], None]]:
    """A bar on standard error while the body runs; what it yields takes the share done, 0 to 1."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415 - a tenth of a second to import, for terminals only
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        yield lambda done: progress.update(task, completed=done)


class LiveLine:
    """One line on standard error that is written over and over; in a pipe, a line every so often."""

    _EVERY = 10
    """Of so many lines a pipe gets one."""

    def __init__(self) -> None:
        self.begun = False
        self._count = 0
        self._on_terminal = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Replace the line."""
        if self._on_terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif self._count % self._EVERY == 0:
            print(text, file=sys.stderr, flush=True)
        self.begun = True
        self._count += 1

    def say(self, text: str) -> None:
        """A line that stays."""
        lead = "\r\x1b[K" if self._on_terminal else ""
        print(f"{lead}{text}", file=sys.stderr, flush=True)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell, two spaces apart."""
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    for row in [columns, *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
