"""The verb fetch. It knows the terminal and the environment; car, download and fetch do the work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import click

from logger.boundary.terminal import echo

if TYPE_CHECKING:
    from logger.transfer.download import Watcher

EXIT_FOUND_WRONG = 1
PIN_VARIABLE = "STAGELOG_PIN"
FIRST_S = 20.0
"""A car that was never reached is a wrong address sooner than a cut line."""


@click.command(name="fetch")
@click.argument("url")
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), required=False)
@click.option("--name", "names", multiple=True, help="Only the logs of this name; * and ? stand for others.")
@click.option(
    "--pin", help=f"The crew page's pin; better in {PIN_VARIABLE}, or asked for: others can see a command."
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(0),
    default=3600.0,
    show_default=True,
    help="Go on trying for so many seconds with next to nothing arriving (under 250 bytes a second).",
)
def fetch(url: str, folder: Path, names: tuple[str, ...], pin: str | None, patience_s: float) -> int:
    """Download the logs of the car at URL into FOLDER (here, if left out): those that are new or grew.

    The car may go on recording. A line that is cut is taken up again where it broke off, now or by the next
    fetch; what arrives is verified before it gets its name.
    """
    from firmware_bridge.errors import LogError  # noqa: PLC0415 - a verb imports what it runs
    from firmware_bridge.printable import printable  # noqa: PLC0415
    from logger.boundary.whole_file import NoRoomError  # noqa: PLC0415
    from logger.transfer.car import Car  # noqa: PLC0415
    from logger.transfer.fetch import fetch as fetch_one  # noqa: PLC0415
    from logger.transfer.retry import Patience  # noqa: PLC0415

    car = Car(url, lambda: pin or os.environ.get(PIN_VARIABLE) or _asked())
    folder.mkdir(parents=True, exist_ok=True)
    with _watcher() as watcher:
        listed = Patience(min(patience_s, FIRST_S), watcher.say, car.url).through(car.logs)
        for remark in listed.remarks:
            watcher.say(f"{car.url}: {remark}")
        wanted = [
            log for log in listed.logs if not names or any(fnmatchcase(log.name, name) for name in names)
        ]
        if names and not wanted:
            there = printable(", ".join(log.name for log in listed.logs)) or "no log at all"
            raise LogError(f"no log named {' or '.join(names)}", where=car.url, hint=f"there is {there}")
        patience = Patience(patience_s, watcher.say, car.url)
        code = 0
        for log in wanted:
            try:
                outcome = fetch_one(car, log, folder, patience, watcher)
                said, ended = f"{outcome.name}: {outcome.text}", 0 if outcome.ok else EXIT_FOUND_WRONG
            except LogError as error:  # of this log alone: the others are fetched nevertheless
                said = f"{log.name}: {error}"
                ended = error.exit_code if isinstance(error, NoRoomError) else EXIT_FOUND_WRONG
            code = max(code, ended)
            watcher.done(log.name, said)
    if not wanted:
        echo(f"{car.url} has no logs")
    return code


def _asked() -> str | None:
    """The pin from whoever sits there."""
    return (
        click.prompt("pin", hide_input=True, err=True) if sys.stdin.isatty() and sys.stderr.isatty() else None
    )


class _Lines:
    """Into a pipe: a line a log, and a line an outage."""

    def preparing(self, name: str, done: float) -> None:
        """Nothing: it takes seconds."""

    def checking(self, name: str, done: float) -> None:
        """Nothing."""

    def moved(self, name: str, at: int, size: int) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """To standard error."""
        echo(f"stagelog: {text}", err=True)

    def done(self, _name: str, text: str) -> None:
        """The outcome."""
        echo(text)


@contextmanager
def _watcher() -> Iterator[Watcher]:
    """Bars with rate and time left on a terminal, lines into a pipe."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from logger.transfer.progress_bars import Bars  # noqa: PLC0415 - rich, a tenth of a second

    with Bars() as bars:
        yield bars
