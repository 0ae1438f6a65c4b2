"""The review's verbs: review, compare, standings. They open files and print; plain functions do the work."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_bridge.errors import StagelogError
from logger.boundary.terminal import echo, echo_json, print_tables, progress_bar
from logger.boundary.whole_file import write_whole

if TYPE_CHECKING:
    from logger.review.open_evidence import Wanted
    from logger.review.report import Report

_PATH = click.Path(path_type=Path)
_itinerary = click.option(
    "--itinerary", type=_PATH, help="Review against this itinerary instead of the log's own."
)
_rules = click.option(
    "--rules", help="A rules file, or a penalty model: banded, rallysafe, rallycheck, overtime."
)
_section = click.option(
    "--only-section",
    "section",
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
@click.option(
    "--dbc", multiple=True, type=_PATH, help="Tell the engine by this DBC file, every frame decoded anew."
)
def review(
    log: Path,
    html: Path | None,
    as_json: bool,
    rules: str | None,
    itinerary: Path | None,
    section: int | None,
    car_class: str,
    dbc: tuple[Path, ...],
) -> int:
    """Tell where the car of LOG was over the limit, what it costs, and how the sections went.

    LOG is a log, or what another device recorded: an NMEA text or a GPX track with times, to be reviewed against
    an itinerary.
    """
    from logger.config.input_files import read_dbcs  # noqa: PLC0415
    from logger.review import json, terminal  # noqa: PLC0415 - numpy, which only the review pays for
    from logger.review.open_evidence import Wanted, opened  # noqa: PLC0415
    from logger.review.report import report_of  # noqa: PLC0415

    wanted = Wanted(itinerary, rules, None if section is None else section - 1, car_class)
    with progress_bar(f"reviewing {log.name}") as progress, opened(log, wanted, progress) as found:
        evidence, chosen, connection = found
        report = report_of(evidence, chosen, connection, read_dbcs(dbc), progress)
    if html is not None:
        from logger.review.html import page  # noqa: PLC0415

        write_whole(html, page(report))
    if as_json:
        echo_json(json.document(report))
    else:
        echo(f"{terminal.heading(report)} ({log.name})")
        print_tables(terminal.tables(report))
        echo()
        echo(terminal.summary(report))
        total, model = terminal.penalty_text(report.penalty_s), chosen.penalties.model
        echo(f"Penalty by {chosen.name} ({model}): {total}")
    for remark in report.remarks:
        echo(f"stagelog: {log.name}: {remark}", err=True)
    return _verdict(report.wrong)


def _verdict(wrong: StagelogError | None) -> int:
    """Say in one line what was wrong with the evidence, and return its exit code."""
    if wrong is None:
        return 0
    echo(f"stagelog: {wrong}", err=True)
    return wrong.exit_code


@click.command(name="compare")
@click.argument("logs", type=_PATH, nargs=-1, required=True)
@click.option(
    "--section",
    type=click.IntRange(1),
    help="Which section, counted from 1; the first timed one if left out.",
)
@click.option("--html", type=_PATH, help="Write a page that needs no network into this file.")
@_json
@_rules
@_itinerary
def compare(
    logs: tuple[Path, ...],
    section: int | None,
    html: Path | None,
    as_json: bool,
    rules: str | None,
    itinerary: Path | None,
) -> int:
    """Compare two to four LOGS over one section: the gap over distance, splits, and where time was won."""
    from logger.review import compare as comparing  # noqa: PLC0415
    from logger.review import compare_page  # noqa: PLC0415
    from logger.review.open_evidence import Wanted  # noqa: PLC0415

    if not comparing.LEAST_CARS <= len(logs) <= comparing.MOST_CARS:
        raise click.UsageError(f"compare takes {comparing.LEAST_CARS} to {comparing.MOST_CARS} logs")
    reports = _reports(logs, Wanted(itinerary, rules))
    found = comparing.compare(reports, None if section is None else section - 1)
    if html is not None:
        write_whole(html, compare_page.page(found))
    if as_json:
        echo_json(comparing.document(found))
    else:
        print_tables(compare_page.tables(found))
    return max((_verdict(report.wrong) for report in reports), default=0)


def _reports(logs: Sequence[Path], wanted: Wanted) -> list[Report]:
    """Each log's report, without its engine."""
    from logger.review.open_evidence import opened  # noqa: PLC0415
    from logger.review.report import report_of  # noqa: PLC0415

    reports = []
    for log in logs:
        with progress_bar(f"reviewing {log.name}") as progress, opened(log, wanted, progress) as found:
            evidence, chosen, _ = found
            reports.append(report_of(evidence, chosen))
    return reports


@click.command(name="standings")
@click.argument("logs", type=_PATH, nargs=-1)
@click.option("--penalties", type=_PATH, help="Decisions of the stewards: a TOML file.")
@click.option(
    "--results", type=_PATH, multiple=True, help="Earlier stages, or cars without a log: TOML or CSV."
)
@click.option("--imposed-only", is_flag=True, help="Leave out what is provisional.")
@_json
@_rules
def standings(
    logs: tuple[Path, ...],
    penalties: Path | None,
    results: tuple[Path, ...],
    imposed_only: bool,
    as_json: bool,
    rules: str | None,
) -> int:
    """Make the class tables out of LOGS, results of other stages, and penalties.

    The last stage has a table of its own; the overall one adds all stages. Penalties are the stewards' and come
    from their file alone: what `review` computes is shown beside, and not counted.
    """
    from logger.review import results as files  # noqa: PLC0415
    from logger.review import standings as tables  # noqa: PLC0415
    from logger.review.open_evidence import Wanted, rules_of  # noqa: PLC0415

    if not logs and not results:
        raise click.UsageError("standings takes logs, --results, or both")
    wanted = Wanted(rules=rules)
    reports = _reports(logs, wanted)
    rows = [row for path in results for row in files.load_results(path)]
    decisions = files.load_decisions(penalties) if penalties is not None else files.Decisions()
    not_finished = (reports[0].rules if reports else rules_of(wanted)).not_finished
    found = tables.standings(
        [tables.result_of(report) for report in reports] + rows,
        decisions,
        not_finished,
        imposed_only=imposed_only,
    )
    if as_json:
        echo_json(tables.document(found))
    else:
        print_tables(tables.tables(found))
        for remark in found.remarks:
            echo(f"stagelog: {remark}", err=True)
    return max((_verdict(report.wrong) for report in reports), default=0)
