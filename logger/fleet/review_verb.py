"""Command `fleet review`: review every log of a store, print the class tables, and write the season's pages."""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from firmware_bridge.errors import ConfigurationError
from logger.boundary.options import PATH, json_option
from logger.boundary.terminal import echo, echo_json, print_tables, progress_bar
from logger.fleet.options import store_option
from logger.review.options import EXIT_PENALTY, class_table_options, fail_on_penalty_option, rules_option

if TYPE_CHECKING:
    from logger.fleet.catalogue import Entry
    from logger.fleet.store import Store

EXIT_FOUND_WRONG = 1
MAX_SHOWN = 5
"""Stages and cars of a store that a hint lists."""


@click.command(name="review", short_help="Review every log and print the class tables.")
@store_option
@rules_option
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
@class_table_options
@click.option(
    "--html",
    type=PATH,
    help="Also write an index of stages and cars with trends to this file, or as -o to a folder.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=PATH,
    help="Also write that index and the page of each log to this folder.",
)
@click.option(
    "--belt",
    "belts",
    multiple=True,
    metavar="CAR:STAGE",
    help="The drive belt of this car was changed before this stage; repeatable.",
)
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
    html: Path | None,
    folder: Path | None,
    belts: tuple[str, ...],
    as_json: bool,
    fail_on_penalty: bool,
) -> int:
    """Review every log of a store on all processors, and print the class tables.

    Each log is reviewed as by `stagelog review`. Tables and documents are written to review/ in the store.
    """
    from logger.comparison import results as files  # noqa: PLC0415
    from logger.fleet import belt, season, season_folder, season_page  # noqa: PLC0415 - pyarrow and numpy
    from logger.fleet import review as reviewing  # noqa: PLC0415
    from logger.fleet.store import Store  # noqa: PLC0415

    if scheduler is not None and workers is not None:
        raise click.UsageError("--workers and --scheduler exclude each other: choose one")
    store = Store(url)
    run = reviewing.run_of(store, rules)
    earlier, decisions = files.load(results, penalties)
    logs = _selected(store, event, stage, car)
    if (results or penalties or belts) and len({entry.event for entry in logs}) > 1:
        raise click.UsageError("results, penalties and belts belong to one event: choose it with --event")
    changes = belt.belt_changes(belts, {entry.car for entry in logs})
    targets = season_folder.targets(html, folder, logs)
    run = dataclasses.replace(run, pages=targets.folder is not None)
    with _judging(scheduler, workers) as judging, progress_bar(f"reviewing {len(logs)} logs") as progress:
        verdicts = reviewing.review(run, logs, judging, progress)
    tables = season.class_tables(verdicts, earlier, decisions, imposed_only=imposed_only)
    belt_times = belt.belt_times(verdicts, changes)
    document = season.document(run, verdicts, tables, belt_times)
    season.save(store, run, document)
    reviewed = season_page.Season(run, verdicts, tables, belt_times)
    for path in season_folder.write(reviewed, store, targets):
        echo(f"{path}: written, {path.stat().st_size / 1e6:.1f} MB; open it in a browser", err=True)
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


def _selected(store: Store, event: str | None, stage: int | None, car: int | None) -> list[Entry]:
    """The logs to review. Raises ConfigurationError if there is none."""
    from logger.fleet import catalogue  # noqa: PLC0415 - pyarrow

    stored = catalogue.stored(store)
    logs = list(catalogue.select(stored, event, stage, car))
    if not logs:
        known = sorted({f"{entry.event} stage {entry.stage} car {entry.car}" for entry in stored})
        shown = ", ".join(known[:MAX_SHOWN]) + (" ..." if len(known) > MAX_SHOWN else "") or "none"
        raise ConfigurationError("no matching log in the store", where=store.shown, hint=f"it has {shown}")
    return logs


def _judging(scheduler: str | None, workers: int | None) -> Any:
    from logger.fleet.review import judge_in_loop  # noqa: PLC0415

    if workers == 0:
        return nullcontext(judge_in_loop)
    from logger.fleet import cluster  # noqa: PLC0415 - Dask takes a second to import

    return cluster.workers(scheduler, workers)
