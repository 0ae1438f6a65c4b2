"""Command-line interface of the verb doctor."""

from __future__ import annotations

import threading
from pathlib import Path

import click

from logger.boundary.options import json_option
from logger.boundary.terminal import echo, echo_json
from logger.config.discovery import choose, config_option

EXIT_FOUND_WRONG = 1
_LONGEST_S = 120.0


@click.command(name="doctor")
@config_option
@click.option(
    "--seconds",
    type=click.FloatRange(1.0, _LONGEST_S),
    default=5.0,
    show_default=True,
    help="How long to listen to each port.",
)
@json_option
def doctor(config_path: Path | None, seconds: float, as_json: bool) -> int:
    """Check this car's set-up and print each problem with how to fix it; exit 1 if there is one.

    A running recorder is observed without disturbing it, for at least twice its `max_loss_s`. Otherwise the doctor
    opens the ports, listen-only, for some seconds; if the data is not as configured, it searches for up to half a
    minute longer. Ctrl-C ends it and closes the ports.
    """
    from logger.doctor.examination import examine  # noqa: PLC0415

    findings = []
    path = choose(config_path, quiet=as_json)
    for finding in examine(path, seconds, threading.Event()):
        findings.append(finding)
        if not as_json:
            echo(str(finding))
    count = sum(finding.verdict == "wrong" for finding in findings)
    if as_json:
        rows = [finding._asdict() | {"hint": finding.hint or None} for finding in findings]
        echo_json({"wrong": count, "findings": rows})
    else:
        echo(f"{count} {'thing is' if count == 1 else 'things are'} wrong" if count else "nothing is wrong")
    return EXIT_FOUND_WRONG if count else 0
