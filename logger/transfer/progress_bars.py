"""Progress bars on standard error with rate and remaining time, for `stagelog fetch` on a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from firmware_bridge.printable import printable
from logger.boundary.console import PlainConsole
from logger.boundary.terminal import MAX_LINE_CHARS


class ProgressBars:
    """Shows downloads on a terminal, one bar per log. `clock` (s) is the time base of the rates."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=PlainConsole(err=True),
            transient=True,
            get_time=clock,
        )
        self._bars: dict[str, TaskID] = {}
        self._moving: set[str] = set()

    def __enter__(self) -> Self:
        return self  # starts with the first bar: before that, the pin may be prompted for

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def preparing(self, name: str, done: float) -> None:
        """The car is making a copy; `done` is 0 to 1."""
        self._progress.update(
            self._bar(name), description=f"{printable(name)}: the car copies it, {done:.0%}"
        )

    def checking(self, name: str, done: float) -> None:
        """The log is being verified; `done` is 0 to 1."""
        self._progress.update(self._bar(name), description=f"{printable(name)}: checking, {done:.0%}")

    def moved(self, name: str, at: int, size: int) -> None:
        """`at` of `size` bytes have arrived."""
        if name not in self._moving:  # bytes of an earlier fetch do not count for this one's rate
            self._moving.add(name)
            self._progress.reset(self._bar(name), total=size, completed=at)
        self._progress.update(self._bar(name), description=printable(name), total=size, completed=at)

    def message(self, text: str) -> None:
        """Print a message above the bars."""
        self._progress.console.print(f"stagelog: {printable(text, MAX_LINE_CHARS)}")

    def done(self, name: str) -> None:
        """Remove the bar, so that the outcome can be printed."""
        if name in self._bars:
            self._progress.remove_task(self._bars.pop(name))
        self._progress.stop()

    def _bar(self, name: str) -> TaskID:
        self._progress.start()
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(printable(name), total=None)
        return self._bars[name]
