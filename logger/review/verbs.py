"""The review's verbs: review, compare, standings. They open files and print; plain functions do the work."""

from __future__ import annotations

import json as encoding
import sys
from pathlib import Path

import click

from firmware_bridge.errors import StagelogError

EXIT_FOUND_WRONG = 1
EXIT_CONFIGURATION = 64

_PATH = click.Path(path_type=Path)
_itinerary = click.option(
    "--itinerary", type=_PATH, help="Review against this itinerary instead of the log's own."
)
_rules = click.option(
    "--rules", help="A rules file, or a penalty model: banded, rallysafe, rallycheck, overtime."
)
_section = click.option(
    "--section",
    type=click.IntRange(1),
    help="Only this section was driven (counted from 1): begin at its start.",
)
_json = click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")


@click.command(name="review")
@click.argument("log", type=_PATH)
@click.option("--html", type=_PATH, help="Write a page that needs no network into this file.")
@_json
@_rules
@_itinerary
@_section
@click.option("--class", "car_class", default="", help="The car's class, where the file does not say it.")
def review(
    log: Path,
    html: Path | None,
    as_json: bool,
    rules: str | None,
    itinerary: Path | None,
    section: int | None,
    car_class: str,
) -> int:
    """Tell where the car of LOG was over the limit, what it costs, and how the sections went.

    LOG is a log, or what another device recorded: an NMEA text or a GPX track with times, to be reviewed against
    an itinerary.
    """
    from logger.review import json, terminal  # noqa: PLC0415 - numpy, which only the review pays for
    from logger.review.opening import Wanted, opened  # noqa: PLC0415
    from logger.review.report import report_of  # noqa: PLC0415
    from logger.terminal import print_table, progress_bar  # noqa: PLC0415

    wanted = Wanted(itinerary, rules, None if section is None else section - 1, car_class)
    with progress_bar(f"reviewing {log.name}") as progress, opened(log, wanted, progress) as found:
        evidence, chosen, connection = found
        report = report_of(evidence, chosen, connection)
    if html is not None:
        from logger.review.html import page  # noqa: PLC0415

        html.write_text(page(report), encoding="utf-8")
    if as_json:
        click.echo(encoding.dumps(json.document(report), indent=1, ensure_ascii=False, allow_nan=False))
    else:
        click.echo(f"{terminal.heading(report)} ({log.name})")
        for title, columns, rows in terminal.tables(report):
            click.echo(f"\n{title}")
            print_table(columns, rows)
        click.echo(f"\n{terminal.summary(report)}")
        total, model = terminal.penalty_text(report.penalty_s), chosen.penalties.model
        click.echo(f"Penalty by {chosen.name} ({model}): {total}")
    for remark in report.remarks:
        click.echo(f"stagelog: {log.name}: {remark}", err=True)
    return _verdict(report.wrong)


def _verdict(wrong: StagelogError | None) -> int:
    """Say in one line what was wrong with the evidence, and return its exit code."""
    if wrong is None:
        return 0
    print(f"stagelog: {wrong}", file=sys.stderr)
    return wrong.exit_code
