"""The doctor's verb."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from logger.boundary.terminal import echo, echo_json

EXIT_FOUND_WRONG = 1
_LONGEST_S = 120.0
_PATH = click.Path(
    path_type=Path, readable=False
)  # the examination tells what may not be read, with the mend


@click.command(name="doctor")
@click.option(
    "-c", "--config", "config_path", type=_PATH, required=True, help="The configuration, stagelog.toml."
)
@click.option(
    "--seconds",
    type=click.FloatRange(1.0, _LONGEST_S),
    default=5.0,
    show_default=True,
    help="How long to listen to each port.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def doctor(config_path: Path, seconds: float, as_json: bool) -> int:
    """Say what is wrong with this car's set-up, with the mend; exit 1 when something is.

    A recorder that runs is asked and not disturbed, for twice its `max_loss_s` at least. Otherwise the ports are
    opened, to listen only, for some seconds; where something else speaks than should, up to half a minute longer.
    Ctrl-C ends it and closes them in order.
    """
    from logger.doctor.examination import examine  # noqa: PLC0415

    found = []
    for finding in examine(config_path, seconds, threading.Event()):
        found.append(finding)
        if not as_json:
            echo(str(finding))
    count = sum(finding.verdict == "wrong" for finding in found)
    if as_json:
        told = {"wrong": count, "findings": [finding._asdict() | {"mend": finding.hint} for finding in found]}
        echo_json(told)
    else:
        echo(f"{count} {'thing is' if count == 1 else 'things are'} wrong" if count else "nothing is wrong")
    return EXIT_FOUND_WRONG if count else 0
