"""What is drawn on a terminal, with rich: a console on which foreign text cannot be anything but text.

Rule 1: no markup, so "[red]" in a name is five letters. Rule 2: whatever a renderable makes of a text, no control
character of it reaches the terminal; those that move the cursor are rich's own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment

from firmware_bridge.printable import marked, printable
from logger.boundary.standard_streams import styled


class PlainConsole(Console):
    """A console on standard output, or with `err` on standard error."""

    def __init__(self, *, err: bool = False) -> None:
        stream = styled(sys.stderr if err else sys.stdout)
        super().__init__(file=stream, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, their texts marked."""
        return map(_plain, super().render(renderable, options))


def _plain(segment: Segment) -> Segment:
    text, style, control = segment
    if control or text.isprintable() or text == "\n":
        return segment
    return Segment("\n".join(map(marked, text.split("\n"))), style)


@contextmanager
def bar(title: str) -> Iterator[Callable[[float], None]]:
    """A bar on standard error; what it yields takes the share done, 0 to 1."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=PlainConsole(err=True), transient=True) as progress:
        task = progress.add_task(printable(title), total=1.0)
        yield lambda done: progress.update(task, completed=done)
