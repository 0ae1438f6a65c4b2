"""Commands `fleet add`, `fetch`, `review` and `query`: open the store, call the plain functions, print."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary.options import PATH, json_option
from logger.boundary.os_errors import FULL, line_of
from logger.boundary.terminal import echo, echo_json, print_tables, progress_bar
from logger.review.verbs import EXIT_PENALTY, fail_on_penalty_option

EXIT_FOUND_WRONG = 1

MAX_SHOWN = 5
"""Stages and cars of a store that a hint lists."""
_store = click.option(
    "--store",
    "url",
    required=True,
    help="Store of the fleet's data: a folder, or an fsspec URL such as s3://bucket/rally.",
)


@click.group(name="fleet")
def fleet() -> None:
    """Manage many logs as one dataset: add, fetch, review, query."""


@fleet.command(name="add")
@click.argument("logs", type=PATH, nargs=-1, required=True)
@_store
@click.option("--car", "cars", type=int, multiple=True, help="Accept only logs of this car; repeatable.")
@click.option(
    "--frames", is_flag=True, help="Also add the raw CAN frames: makes the dataset ten times as large."
)
@json_option
def add(logs: tuple[Path, ...], url: str, cars: tuple[int, ...], frames: bool, as_json: bool) -> int:
    """Add LOGS (files or folders) to a store, as Parquet tables.

    A log that is already in the store changes nothing. A log that is damaged, or not of the car it names, is reported
    and left out; the others are added, and the exit code is 1.
    """
    code, document = _add(logs, url, cars, frames=frames, is_shown=not as_json)
    if as_json:
        echo_json(document)
    return code


@fleet.command(name="fetch", short_help="Download new logs of several cars and add them.")
@click.argument("cars", metavar="URL...", nargs=-1, required=True)
@_store
@click.option(
    "--folder",
    type=PATH,
    default=Path("fetched"),
    show_default=True,
    help="Folder for the downloaded logs; a second fetch resumes there.",
)
@click.option("--pin", help="Pin of the crew pages, if all cars share it; better set STAGELOG_PIN.")
@click.option(
    "--patience",
    "patience_s",
    type=click.FloatRange(0),
    help="As for `stagelog fetch`: seconds without progress before it gives up.",
)
@click.option("--frames", is_flag=True, help="Also add the raw CAN frames.")
@click.option("--review", "and_review", is_flag=True, help="Then review the store as `fleet review` does.")
@json_option
@click.pass_context
def fetch(
    context: click.Context,
    cars: tuple[str, ...],
    url: str,
    folder: Path,
    pin: str | None,
    patience_s: float | None,
    frames: bool,
    and_review: bool,
    as_json: bool,
) -> int:
    """Download the new or grown logs of the cars at URL..., and add them to the store.

    A car that does not answer is reported and the others continue; the exit code is then 1.
    """
    from logger.transfer.verbs import PATIENCE_S, fetch_logs  # noqa: PLC0415 - a verb imports what it runs

    if as_json and and_review:
        raise click.UsageError(
            "--json and --review exclude each other: run `stagelog fleet review --json` next"
        )
    patience_s = PATIENCE_S if patience_s is None else patience_s
    failed, fetched = 0, []
    for car in cars:
        try:
            code, found = fetch_logs(car, folder, (), pin, patience_s, is_shown=not as_json)
            failed |= bool(code)
            fetched.append(found | {"error": None})
        except (StagelogError, OSError) as error:
            if isinstance(error, BrokenPipeError) or getattr(error, "errno", None) in FULL:
                raise
            echo(f"stagelog: {line_of(error)}", err=True)
            failed = 1
            fetched.append({"car": car, "folder": str(folder), "logs": [], "error": line_of(error)})
    answered = [folder] if folder.is_dir() else []  # made for the first car that answers
    code, added = _add(answered, url, (), frames=frames, is_shown=not as_json)
    failed |= code
    if as_json:
        echo_json({"cars": fetched, "added": added})
    return context.invoke(review, url=url) | failed if and_review else failed


def _add(
    logs: Sequence[Path], url: str, cars: Sequence[int], *, frames: bool, is_shown: bool
) -> tuple[int, dict[str, Any]]:
    """Add logs; returns the exit code and the document, and prints the outcomes if `is_shown`."""
    from logger.fleet.add import Adder, added_entry  # noqa: PLC0415 - pyarrow and numpy
    from logger.fleet.store import Store  # noqa: PLC0415
    from logger.logfile.reader import logs_in  # noqa: PLC0415

    store = Store(url)
    adder = Adder(store, cars, frames=frames)
    paths = [log for path in logs for log in (logs_in(path) if path.is_dir() else [path])]
    for path in logs:
        if is_shown and path.is_dir() and not any(log.parent == path for log in paths):
            echo(f"{path}: no logs in it")
    failed, entries = 0, []
    for number, path in enumerate(paths, 1):
        try:
            with progress_bar(f"{number} of {len(paths)}: {path.name}") as progress:
                outcome = adder.add(path, progress)
        except (StagelogError, OSError) as error:
            if getattr(error, "errno", None) in FULL:
                raise  # the next log would fail too
            echo(f"stagelog: {line_of(error)}", err=True)
            failed = 1
            entries.append(added_entry(path, None, line_of(error)))
        else:
            entries.append(added_entry(path, outcome))
            if is_shown:
                echo(f"{path.name}: {outcome.text}")
    return failed, {"store": store.shown, "logs": entries}


@fleet.command(name="review", short_help="Review every log and print the class tables.")
@_store
@click.option("--rules", help="A rules file, or a penalty model: banded, rallysafe, rallycheck, overtime.")
@click.option(
    "--scheduler", help="Address of a Dask scheduler, tcp://host:8786; by default local processes are used."
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    help="Number of local processes, by default one per core; 0 for a loop in this process.",
)
@click.option("--event", help="Only logs of this event, as in the store's folder names.")
@click.option("--stage", type=int, help="Only logs of this stage.")
@click.option("--car", type=int, help="Only logs of this car.")
@click.option(
    "--results",
    type=PATH,
    multiple=True,
    help="TOML or CSV file with results of stages or cars without a log.",
)
@click.option("--penalties", type=PATH, help="TOML file with the stewards' decisions.")
@click.option("--imposed-only", is_flag=True, help="Leave out provisional penalties.")
@json_option
@fail_on_penalty_option
def review(
    url: str,
    rules: str | None,
    scheduler: str | None,
    workers: int | None,
    event: str | None,
    stage: int | None,
    car: int | None,
    results: tuple[Path, ...],
    penalties: Path | None,
    imposed_only: bool,
    as_json: bool,
    fail_on_penalty: bool,
) -> int:
    """Review every log of a store on all processors, and print the class tables.

    Each log is reviewed as by `stagelog review`. Tables and documents are written to review/ in the store.
    """
    from logger.fleet import catalogue, season  # noqa: PLC0415 - pyarrow and numpy
    from logger.fleet import review as reviewing  # noqa: PLC0415
    from logger.fleet.store import Store  # noqa: PLC0415
    from logger.review import results as files  # noqa: PLC0415

    if scheduler is not None and workers is not None:
        raise click.UsageError("--workers and --scheduler exclude each other: choose one")
    store = Store(url)
    run = reviewing.run_of(store, rules)
    earlier = [row for path in results for row in files.load_results(path)]
    decisions = files.load_decisions(penalties) if penalties is not None else files.Decisions()
    stored = catalogue.stored(store)
    logs = list(catalogue.select(stored, event, stage, car))
    if not logs:
        known = sorted({f"{entry.event} stage {entry.stage} car {entry.car}" for entry in stored})
        shown = ", ".join(known[:MAX_SHOWN]) + (" ..." if len(known) > MAX_SHOWN else "") or "none"
        raise ConfigurationError("no matching log in the store", where=store.shown, hint=f"it has {shown}")
    if (results or penalties) and len({entry.event for entry in logs}) > 1:
        raise click.UsageError("results and penalties belong to one event: choose it with --event")
    with _judging(scheduler, workers) as judging, progress_bar(f"reviewing {len(logs)} logs") as progress:
        verdicts = reviewing.review(run, logs, judging, progress)
    tables = season.class_tables(verdicts, earlier, decisions, imposed_only=imposed_only)
    document = season.document(run, verdicts, tables)
    season.save(store, run, document)
    if as_json:
        echo_json(document)
    else:
        print_tables(season.tables(verdicts, tables))
        echo()
        echo(f"Tables and documents are in {store.shown}/{run.folder}")
    for verdict in verdicts:
        if verdict.error:
            echo(f"stagelog: {verdict.error}", err=True)
    for remark in (remark for standing in tables.values() for remark in standing.remarks):
        echo(f"stagelog: {remark}", err=True)
    not_judged = [verdict for verdict in verdicts if fail_on_penalty and verdict.not_judged]
    for verdict in not_judged:
        echo(
            f"stagelog: {verdict.entry.name}: {verdict.not_judged}; choose other logs with --event", err=True
        )
    if not_judged or any(verdict.error for verdict in verdicts):
        return EXIT_FOUND_WRONG
    return EXIT_PENALTY if fail_on_penalty and any(verdict.penalty_s for verdict in verdicts) else 0


def _judging(scheduler: str | None, workers: int | None) -> Any:
    from logger.fleet.review import judge_in_loop  # noqa: PLC0415

    if workers == 0:
        return nullcontext(judge_in_loop)
    from logger.fleet import cluster  # noqa: PLC0415 - Dask takes a second to import

    return cluster.workers(scheduler, workers)


@fleet.command(name="query", short_help="Run an SQL query on the store.")
@click.argument("sql")
@_store
@click.option("--run", help="Use section, overspeed and quality of this review, a folder under review/.")
@click.option(
    "--memory",
    "memory_mb",
    type=click.IntRange(min=50),
    default=500,
    show_default=True,
    metavar="MB",
    help="Working memory; beyond it a query uses temporary files.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV with a header.")
def query(sql: str, url: str, run: str | None, memory_mb: int, as_json: bool, as_csv: bool) -> None:
    """Run an SQL query (DuckDB), such as "SELECT car, max(speed_mps) FROM fix GROUP BY car".

    The tables are fix, reading, event, progress, section, overspeed, quality, frame and log. A query cannot change the
    store.
    """
    from logger.fleet import query_output  # noqa: PLC0415 - DuckDB and pyarrow
    from logger.fleet.query import run_query  # noqa: PLC0415
    from logger.fleet.store import Store  # noqa: PLC0415

    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other: choose one")
    if not sql.strip():
        raise click.UsageError(
            'the query is empty: write one such as "SELECT car, max(speed_mps) FROM fix GROUP BY car"'
        )
    with run_query(Store(url), sql, run, memory_mb) as answer:
        if answer is not None:
            query_output.FORMS["json" if as_json else "csv" if as_csv else "table"](answer)
