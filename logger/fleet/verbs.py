"""The verbs `fleet add`, `fleet fetch`, `fleet review`, `fleet query`. They open things and print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary.os_errors import FULL, line_of
from logger.boundary.terminal import echo, echo_json, print_tables, progress_bar

_PATH = click.Path(path_type=Path)
_PACKAGES = {"dask", "distributed", "duckdb", "fsspec", "pyarrow"}
_store = click.option(
    "--store",
    "url",
    required=True,
    help="The fleet's data: a folder, or a URL that fsspec takes, such as s3://bucket/rally.",
)


@contextmanager
def _extra() -> Iterator[None]:
    """What is missing without the extra, as one line."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _PACKAGES:
            raise
        hint = 'pip install "stagelog[fleet]"'
        raise ConfigurationError(
            f"needs {missing}, which is not installed", where="fleet", hint=hint
        ) from error


@click.group(name="fleet")
def fleet() -> None:
    """Many logs as one dataset: add them, review them all, ask about them."""


@fleet.command(name="add")
@click.argument("logs", type=_PATH, nargs=-1, required=True)
@_store
@click.option(
    "--car", "cars", type=int, multiple=True, help="Take logs of this car only; may be given again."
)
@click.option("--frames", is_flag=True, help="The raw bus too: it makes the dataset ten times as big.")
def add(logs: tuple[Path, ...], url: str, cars: tuple[int, ...], frames: bool) -> int:
    """Turn LOGS (files, or folders of them) into Parquet tables in a store.

    A log that is there already changes nothing. One that is damaged, or of another car than it says, is told of and
    left out; the others go in, and the exit code is 1.
    """
    return _add(logs, url, cars, frames=frames)


@fleet.command(name="fetch")
@click.argument("cars", metavar="URL...", nargs=-1, required=True)
@_store
@click.option(
    "--folder",
    type=_PATH,
    default=Path("fetched"),
    show_default=True,
    help="Where the logs come to lie; a second fetch goes on there.",
)
@click.option("--pin", help="The crew pages' pin, if all cars have the same; better in STAGELOG_PIN.")
@click.option("--patience", "patience_s", type=click.FloatRange(0), help="As of `stagelog fetch`.")
@click.option("--frames", is_flag=True, help="The raw bus too.")
@click.option("--review", "and_review", is_flag=True, help="Then review the store, as `fleet review` does.")
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
) -> int:
    """The evening's logs of all cars: download those that are new or grew, add them to the store, review it if asked.

    A car that does not answer is told of, and the others go on; the exit code is 1 then.
    """
    from logger.transfer.verbs import fetch as fetch_logs  # noqa: PLC0415 - a verb imports what it runs

    more = {} if patience_s is None else {"patience_s": patience_s}
    wrong = 0
    for car in cars:
        try:
            wrong |= bool(context.invoke(fetch_logs, url=car, folder=folder, pin=pin, **more))
        except (StagelogError, OSError) as error:
            if isinstance(error, BrokenPipeError) or getattr(error, "errno", None) in FULL:
                raise
            echo(f"stagelog: {line_of(error)}", err=True)
            wrong = 1
    wrong |= _add([folder], url, (), frames=frames)
    return context.invoke(review, url=url) | wrong if and_review else wrong


def _add(logs: Sequence[Path], url: str, cars: Sequence[int], *, frames: bool) -> int:
    with _extra():
        from logger.fleet.add import Adder  # noqa: PLC0415 - pyarrow and numpy
        from logger.fleet.store import Store  # noqa: PLC0415
        from logger.logfile.reader import logs_in  # noqa: PLC0415

    adder = Adder(Store(url), cars, frames=frames)
    paths = [log for path in logs for log in (logs_in(path) if path.is_dir() else [path])]
    wrong = 0
    for number, path in enumerate(paths, 1):
        try:
            with progress_bar(f"{number} of {len(paths)}: {path.name}") as progress:
                outcome = adder.add(path, progress)
        except (StagelogError, OSError) as error:
            if getattr(error, "errno", None) in FULL:
                raise  # the next log would fail like this one
            echo(f"stagelog: {line_of(error)}", err=True)
            wrong = 1
        else:
            echo(f"{path.name}: {outcome.text}")
    return wrong


@fleet.command(name="review")
@_store
@click.option("--rules", help="A rules file, or a penalty model: banded, rallysafe, rallycheck, overtime.")
@click.option(
    "--scheduler", help="An existing Dask scheduler, tcp://host:8786; without it, processes of this machine."
)
@click.option(
    "--workers", type=click.IntRange(0), help="So many processes here (one a core); 0 for a plain loop."
)
@click.option("--event", help="Only logs of this event, as in the names of the store's folders.")
@click.option("--stage", type=int, help="Only logs of this stage.")
@click.option("--car", type=int, help="Only logs of this car.")
@click.option("--results", type=_PATH, multiple=True, help="Stages or cars without a log: TOML or CSV.")
@click.option("--penalties", type=_PATH, help="Decisions of the stewards: a TOML file.")
@click.option("--imposed-only", is_flag=True, help="Leave out what is provisional.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
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
) -> int:
    """Review every log of a store, on all processors, and make the class tables.

    It is what `stagelog review` does, once for each log. Tables and documents are left in the store, under review/.
    """
    with _extra():
        from logger.fleet import catalogue, season  # noqa: PLC0415 - pyarrow and numpy
        from logger.fleet import review as reviewing  # noqa: PLC0415
        from logger.fleet.store import Store  # noqa: PLC0415
        from logger.review import results as files  # noqa: PLC0415

    if scheduler is not None and workers is not None:
        raise click.UsageError("--workers are of this machine, --scheduler has its own: choose one")
    store = Store(url)
    run = reviewing.run_of(store, rules)
    earlier = [row for path in results for row in files.load_results(path)]
    decisions = files.load_decisions(penalties) if penalties is not None else files.Decisions()
    found = list(catalogue.select(catalogue.entries(store), event, stage, car))
    if not found:
        raise ConfigurationError(
            "no such log in the store", where=url, hint="add some with `stagelog fleet add`"
        )
    if (results or penalties) and len({entry.event for entry in found}) > 1:
        raise click.UsageError("results and penalties are of one event: say which with --event")
    with _judging(scheduler, workers) as judging, progress_bar(f"reviewing {len(found)} logs") as progress:
        verdicts = reviewing.review(run, found, judging, progress)
    tables = season.class_tables(verdicts, earlier, decisions, imposed_only=imposed_only)
    said = season.document(run, verdicts, tables)
    season.save(store, run, said)
    if as_json:
        echo_json(said)
    else:
        print_tables(season.tables(verdicts, tables))
        echo()
        echo(f"Tables and documents are in {store.shown}/{run.folder}")
    for verdict in verdicts:
        if verdict.error:
            echo(f"stagelog: {verdict.error}", err=True)
    for remark in (remark for standing in tables.values() for remark in standing.remarks):
        echo(f"stagelog: {remark}", err=True)
    return int(any(verdict.error for verdict in verdicts))


def _judging(scheduler: str | None, workers: int | None) -> Any:
    with _extra():
        from logger.fleet.review import judge_in_loop  # noqa: PLC0415

        if workers == 0:
            return nullcontext(judge_in_loop)
        from logger.fleet import cluster  # noqa: PLC0415 - Dask takes a second to import

        return cluster.workers(scheduler, workers)


@fleet.command(name="query")
@click.argument("sql")
@_store
@click.option("--run", help="Take section, overspeed and quality from this review, a folder under review/.")
@click.option("--json", "form", flag_value="json", help="A JSON object a line.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a heading.")
def query(sql: str, url: str, run: str | None, form: str | None) -> None:
    """Answer a question in SQL (DuckDB's), such as "SELECT car, max(speed_mps) FROM fix GROUP BY car".

    The tables are fix, reading, event, progress, section, overspeed, quality, frame and log. Nothing in the store can
    be changed by it.
    """
    with _extra():
        from logger.fleet import query_output  # noqa: PLC0415 - DuckDB and pyarrow
        from logger.fleet.query import run_query  # noqa: PLC0415
        from logger.fleet.store import Store  # noqa: PLC0415

    with run_query(Store(url), sql, run) as answer:
        if answer is not None:
            query_output.FORMS[form or "table"](answer)
