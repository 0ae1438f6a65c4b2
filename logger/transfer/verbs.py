"""The verb `fetch`: download the logs of a car.

Only this module knows the terminal and the environment; car.py, download.py and fetch.py do the work.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from logger.boundary.options import json_option
from logger.boundary.terminal import echo, echo_json

if TYPE_CHECKING:
    from logger.transfer.download import Watcher

EXIT_FOUND_WRONG = 1
PIN_VARIABLE = "STAGELOG_PIN"
PATIENCE_S = 3600.0
FIRST_S = 20.0
"""Time limit for the first contact: an unreachable address is more likely wrong than out of range."""
_FIRST_HINT = "check the address and the Wi-Fi, and that `stagelog serve` runs in the car"


@click.command(name="fetch")
@click.argument("url")
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), required=False)
@click.option("--name", "names", multiple=True, help="Only logs with this name; * and ? are wildcards.")
@click.option(
    "--pin",
    help=f"The crew page's pin. Safer in {PIN_VARIABLE} or at the prompt: other users can see a command line.",
)
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(0),
    default=PATIENCE_S,
    show_default=True,
    help="Give up a log after this many seconds with almost nothing arriving (under 250 bytes per second).",
)
@json_option
def fetch(
    url: str, folder: Path, names: tuple[str, ...], pin: str | None, patience_s: float, as_json: bool
) -> int:
    """Download new and grown logs of the car at URL into FOLDER (default: the current folder).

    The car may be recording meanwhile. An interrupted download resumes where it stopped, now or at the next fetch. Each
    log is verified before it gets its name.
    """
    code, document = fetch_logs(url, folder, names, pin, patience_s, is_shown=not as_json)
    if as_json:
        echo_json(document)
    return code


def fetch_logs(
    url: str,
    folder: Path,
    names: Sequence[str] = (),
    pin: str | None = None,
    patience_s: float = PATIENCE_S,
    *,
    is_shown: bool = True,
) -> tuple[int, dict[str, Any]]:
    """Fetch as the verb does; returns its exit code and document, and prints the outcomes if `is_shown`."""
    from firmware_bridge.errors import ConfigurationError, LogError  # noqa: PLC0415 - a verb imports what it runs
    from firmware_bridge.printable import printable  # noqa: PLC0415
    from logger.boundary.whole_file import NoRoomError  # noqa: PLC0415
    from logger.transfer.car import Car  # noqa: PLC0415
    from logger.transfer.fetch import fetch as fetch_one  # noqa: PLC0415
    from logger.transfer.retry import Retry  # noqa: PLC0415

    if Path(url).is_file():
        raise ConfigurationError(
            "a file, not the address of a car", where=url, hint="write it as http://car:8040"
        )
    car = Car(url, lambda: pin or os.environ.get(PIN_VARIABLE) or _ask_pin())
    folder.mkdir(parents=True, exist_ok=True)
    with _watcher() as watcher:
        whole_s = car.limits.preparing_s
        listed = Retry(min(patience_s, FIRST_S), watcher.message, car.url, whole_s, hint=_FIRST_HINT).run(
            car.logs
        )
        for remark in listed.remarks:
            watcher.message(f"{car.url}: {remark}")
        chosen = [
            log for log in listed.logs if not names or any(fnmatchcase(log.name, name) for name in names)
        ]
        if names and not chosen:
            available = printable(", ".join(log.name for log in listed.logs)) or "no log at all"
            raise LogError(
                f"no log named {' or '.join(names)}", where=car.url, hint=f"the car has {available}"
            )
        retry = Retry(patience_s, watcher.message, car.url, whole_s, car.limits.worthless_s)
        code, outcomes = 0, []
        for log in chosen:
            try:
                outcome = fetch_one(car, log, folder, retry, watcher)
                text, ended = outcome.text, 0 if outcome.ok else EXIT_FOUND_WRONG
            except LogError as error:  # concerns only this log: the others are still fetched
                text = str(error)
                ended = error.exit_code if isinstance(error, NoRoomError) else EXIT_FOUND_WRONG
            code = max(code, ended)
            outcomes.append({"log": log.name, "ok": ended == 0, "outcome": text})
            watcher.done(log.name)
            if is_shown:
                echo(f"{log.name}: {text}")
    if is_shown and not chosen:
        echo(f"{car.url} has no logs")
    return code, {"car": car.url, "folder": str(folder), "logs": outcomes}


def _ask_pin() -> str | None:
    """The pin, prompted for on a terminal."""
    return (
        click.prompt("pin", hide_input=True, err=True) if sys.stdin.isatty() and sys.stderr.isatty() else None
    )


class _Lines:
    """Reports a fetch into a pipe: one line per log and one per outage."""

    def preparing(self, name: str, done: float) -> None:
        """Prints nothing: it takes seconds."""

    def checking(self, name: str, done: float) -> None:
        """Prints nothing."""

    def moved(self, name: str, at: int, size: int) -> None:
        """Prints nothing."""

    def message(self, text: str) -> None:
        """Print a message on standard error."""
        echo(f"stagelog: {text}", err=True)

    def done(self, name: str) -> None:
        """Prints nothing."""


@contextmanager
def _watcher() -> Iterator[Watcher]:
    """Progress bars on a terminal, lines into a pipe."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from logger.transfer.progress_bars import ProgressBars  # noqa: PLC0415 - rich, a tenth of a second

    with ProgressBars() as bars:
        yield bars
