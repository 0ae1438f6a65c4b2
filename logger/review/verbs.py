"""Commands `review`, `compare` and `standings`: open files, call the plain functions, print."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import click

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary.options import PATH, json_option
from logger.boundary.terminal import echo, echo_json, print_tables, progress_bar
from logger.boundary.whole_file import require_writable, write_whole
from logger.review.options import EXIT_PENALTY, class_table_options, fail_on_penalty_option, rules_option

if TYPE_CHECKING:
    from logger.judgement.report import Report
    from logger.stage.rules import Rules

_itinerary = click.option("--itinerary", type=PATH, help="Use this itinerary instead of the log's own.")
_html = click.option("--html", type=PATH, help="Also write a self-contained HTML page to this file.")
_section = click.option(
    "--only-section",
    "section",
    type=click.IntRange(1),
    help="Assume that only this section was driven, from its start (counted from 1).",
)
_dbc = click.option(
    "--dbc",
    multiple=True,
    type=PATH,
    help="Decode all recorded frames with this DBC file for the engine channels.",
)
_signals = click.option(
    "--signals",
    is_flag=True,
    help="Decode all recorded frames with the log's own DBC files, or with --dbc, and add every signal.",
)


@click.command(name="review")
@click.argument("log", type=PATH)
@_html
@click.option(
    "--background",
    type=PATH,
    help="Draw the shapes of this GeoJSON file on the page's map, for example roads.",
)
@json_option
@rules_option
@_itinerary
@_section
@click.option("--class", "car_class", default="", help="The car's class, if the file does not name it.")
@_dbc
@click.option(
    "--what-if",
    "other_rules",
    multiple=True,
    type=PATH,
    help="Rules file that the page can also show the drive under, beside every penalty model; repeatable.",
)
@_signals
@fail_on_penalty_option
def review(
    log: Path,
    html: Path | None,
    background: Path | None,
    as_json: bool,
    rules: str | None,
    itinerary: Path | None,
    section: int | None,
    car_class: str,
    dbc: tuple[Path, ...],
    other_rules: tuple[Path, ...],
    signals: bool,
    fail_on_penalty: bool,
) -> int:
    """Report the over-speeds in LOG, their penalties, section times, waypoints and the quality of the evidence.

    LOG is a log, or a recording of another device to check against an itinerary: an NMEA text or a GPX track with
    times.
    """
    from logger.config.input_files import read_dbcs  # noqa: PLC0415
    from logger.judgement.open_evidence import ReviewOptions, open_evidence  # noqa: PLC0415
    from logger.judgement.report import report_of  # noqa: PLC0415
    from logger.review import json, terminal  # noqa: PLC0415 - imports numpy

    others: list[Rules] = []
    shapes = None
    if html is not None:
        from logger.review.geojson import read_geojson  # noqa: PLC0415
        from logger.review.judged_page import judged_page, read_rules  # noqa: PLC0415 - half of the room

        for source in (log, background):
            require_writable(html, source)
        others = read_rules(other_rules)
        shapes = None if background is None else read_geojson(background)
    elif other_rules:
        raise click.UsageError("--what-if is for the page: give --html too")
    elif background is not None:
        raise click.UsageError("--background is for the page: give --html too")
    options = ReviewOptions(itinerary, rules, None if section is None else section - 1, car_class)
    with progress_bar(f"reviewing {log.name}") as progress, open_evidence(log, options, progress) as opened:
        evidence, penalty_rules, connection = opened
        texts, is_drawn = read_dbcs(dbc), html is not None
        report = report_of(
            evidence, penalty_rules, connection, texts, progress, signals=signals, is_drawn=is_drawn
        )
        page = None
        if html is not None:
            page = judged_page(log, report, others, connection, options.section, progress, shapes)
    if html is not None and page is not None:
        _write_page(html, page)
    if as_json:
        echo_json(json.document(report))
    else:
        echo(f"{terminal.heading(report)} ({log.name})")
        print_tables(terminal.tables(report))
        echo()
        echo(terminal.summary(report))
        echo(terminal.verdict(report))
    for remark in report.remarks:
        echo(f"stagelog: {log.name}: {remark}", err=True)
    return _exit_code(_not_judged(report) if fail_on_penalty else report.problem) or (
        EXIT_PENALTY if fail_on_penalty and report.penalty_s else 0
    )


def _not_judged(report: Report) -> StagelogError | None:
    """Why a review cannot say that there is no penalty: a problem with the evidence, or nothing to judge."""
    if report.problem is not None or not report.not_judged:
        return report.problem
    return ConfigurationError(report.not_judged, where=report.evidence.name)


def _exit_code(problem: StagelogError | None) -> int:
    """Print a problem with the evidence in one line, and return its exit code."""
    if problem is None:
        return 0
    echo(f"stagelog: {problem}", err=True)
    return problem.exit_code


@click.command(name="compare")
@click.argument("logs", type=PATH, nargs=-1, required=True)
@click.option(
    "--section",
    type=click.IntRange(1),
    help="Section to compare, counted from 1; by default the first timed one.",
)
@click.option(
    "--sectors",
    "sector_km",
    type=click.FloatRange(0, min_open=True),
    metavar="KM",
    help="Length of the sectors; by default they lead from checkpoint to checkpoint.",
)
@_html
@json_option
@rules_option
@_itinerary
@_dbc
@_signals
def compare(
    logs: tuple[Path, ...],
    section: int | None,
    sector_km: float | None,
    html: Path | None,
    as_json: bool,
    rules: str | None,
    itinerary: Path | None,
    dbc: tuple[Path, ...],
    signals: bool,
) -> int:
    """Compare two to eight LOGS over one section: gap over distance, where it grew, splits, sectors.

    LOGS are of two to eight cars, or of one car on several days. One LOG in which the car drove the section several
    times is compared with itself.
    """
    from logger.comparison import compare as comparing  # noqa: PLC0415
    from logger.config.input_files import read_dbcs  # noqa: PLC0415
    from logger.judgement.open_evidence import ReviewOptions  # noqa: PLC0415
    from logger.review import compare_json, compare_tables  # noqa: PLC0415
    from logger.review.open_reports import EngineOptions, reports_of  # noqa: PLC0415

    if len(logs) > comparing.MAX_CARS:
        raise click.UsageError(f"compare takes up to {comparing.MAX_CARS} logs, not {len(logs)}")
    _require_different(logs)
    if html is not None:
        require_writable(html)
    elif dbc or signals:
        raise click.UsageError("--dbc and --signals are for the page: name it with --html")
    engine = None if html is None else EngineOptions(read_dbcs(dbc), signals)
    reports = reports_of(logs, ReviewOptions(itinerary, rules), engine)
    comparison = comparing.compare(reports, None if section is None else section - 1, sector_km)
    if html is not None:
        from logger.review.compare_page import page  # noqa: PLC0415

        _write_page(html, page(comparison))
    if as_json:
        echo_json(compare_json.document(comparison))
    else:
        print_tables(
            (table.title, [column.strip() for column in table.columns], table.rows)
            for table in compare_tables.tables(comparison)
        )
    return max((_exit_code(report.problem) for report in reports), default=0)


def _write_page(path: Path, text: str) -> None:
    write_whole(path, text)
    echo(f"{path}: written, {path.stat().st_size / 1e6:.1f} MB; open it in a browser", err=True)


def _require_different(logs: Sequence[Path]) -> None:
    """Refuse a log that is named twice, or a copy of one: its gap would be 0. Raises click.UsageError."""
    for first, second in combinations(logs, 2):
        if first.is_file() and second.is_file() and (first.samefile(second) or _is_copy(first, second)):
            raise click.UsageError(
                f"{first} and {second} are the same log: name the logs of different cars or days"
            )


def _is_copy(first: Path, second: Path) -> bool:
    return first.stat().st_size == second.stat().st_size and filecmp.cmp(first, second, shallow=False)


@click.command(name="standings")
@click.argument("logs", type=PATH, nargs=-1)
@class_table_options
@json_option
@rules_option
@fail_on_penalty_option
def standings(
    logs: tuple[Path, ...],
    penalties: Path | None,
    results: tuple[Path, ...],
    imposed_only: bool,
    as_json: bool,
    rules: str | None,
    fail_on_penalty: bool,
) -> int:
    """Print the class tables from LOGS, results of other stages, and penalties.

    The last stage has its own table; the overall table adds all stages. Only penalties of the stewards' file count:
    those that `review` computes are shown as notes.
    """
    from logger.comparison import results as files  # noqa: PLC0415
    from logger.comparison import standings as tables  # noqa: PLC0415
    from logger.judgement.open_evidence import ReviewOptions, rules_of  # noqa: PLC0415
    from logger.review import standings_json, standings_tables  # noqa: PLC0415
    from logger.review.open_reports import reports_of  # noqa: PLC0415

    if not logs and not results:
        raise click.UsageError("standings takes logs, --results, or both")
    options = ReviewOptions(rules=rules)
    reports = reports_of(logs, options)
    rows, decisions = files.load(results, penalties)
    not_finished = (reports[0].rules if reports else rules_of(options)).not_finished
    standing = tables.standings(
        [tables.result_of(report) for report in reports] + rows,
        decisions,
        not_finished,
        imposed_only=imposed_only,
    )
    if as_json:
        echo_json(standings_json.document(standing))
    else:
        print_tables(standings_tables.tables(standing))
    for remark in standing.remarks:
        echo(f"stagelog: {remark}", err=True)
    problems = [_not_judged(report) if fail_on_penalty else report.problem for report in reports]
    return max(map(_exit_code, problems), default=0) or (
        EXIT_PENALTY if fail_on_penalty and tables.has_penalty(standing) else 0
    )
