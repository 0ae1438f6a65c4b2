"""Commands `fleet add`, `fetch`, `review` and `query`: open the store, call the plain functions, print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from firmware_bridge.errors import StagelogError
from logger.boundary.options import PATH, json_option
from logger.boundary.os_errors import FULL, line_of
from logger.boundary.terminal import echo, echo_json, progress_bar
from logger.fleet.options import store_option
from logger.fleet.review_verb import review


@click.group(name="fleet")
def fleet() -> None:
    """Manage many logs as one dataset: add, fetch, review, query."""


fleet.add_command(review)


@fleet.command(name="add")
@click.argument("logs", type=PATH, nargs=-1, required=True)
@store_option
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
@store_option
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


@fleet.command(name="query", short_help="Run an SQL query on the store.")
@click.argument("sql")
@store_option
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
