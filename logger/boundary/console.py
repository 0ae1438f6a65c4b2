"""A rich console that shows foreign text as plain text.

Rule 1: no markup, so "[red]" in a name is five letters. Rule 2: no control character of a text reaches the terminal;
only rich's own control codes move the cursor.
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
    """A console on standard output, or on standard error with `err`."""

    def __init__(self, *, err: bool = False) -> None:
        stream = styled(sys.stderr if err else sys.stdout)
        super().__init__(file=stream, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, with control characters in their texts replaced by marks."""
        return map(_plain, super().render(renderable, options))


def _plain(segment: Segment) -> Segment:
    text, style, control = segment
    if control or text.isprintable() or text == "\n":
        return segment
    return Segment("\n".join(map(marked, text.split("\n"))), style)


@contextmanager
def bar(title: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on standard error; it yields a function that takes the share done, 0 to 1."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=PlainConsole(err=True), transient=True) as progress:
        task = progress.add_task(printable(title), total=1.0)
        yield lambda done: progress.update(task, completed=done)
