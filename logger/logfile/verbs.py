"""The verbs `logs`, `info` and `verify`: list logs, describe one log, check that a log is whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from firmware_bridge.errors import StagelogError
from logger.boundary.terminal import echo, echo_json, print_table, progress_bar

EXIT_FOUND_WRONG = 1

_PATH = click.Path(path_type=Path)


@click.command(name="logs")
@click.argument("folder", type=_PATH, default=Path(), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def logs(folder: Path, as_json: bool) -> None:
    """List the logs in FOLDER (default: current folder).

    Columns: stage, car, start, duration, rows, size, state.
    """
    from logger.logfile import reader  # noqa: PLC0415

    rows: list[dict[str, Any]] = []
    for path in reader.logs_in(folder):
        try:
            rows.append(_summary(reader.info(path)))
        except StagelogError as error:
            rows.append({"log": path.name, "state": error.what})
    if as_json:
        echo_json(rows)
    elif not rows:
        echo(f"no logs in {folder.resolve()}")
    else:
        columns = ["log", "stage", "begun", "duration", "fixes", "frames", "size", "state"]
        print_table(columns, [[str(row.get(column, "")) for column in columns] for row in rows])


@click.command(name="info")
@click.argument("log", type=_PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(log: Path, as_json: bool) -> None:
    """Show what LOG contains: stage, car, sessions, rows per table, embedded files."""
    from logger.logfile import reader  # noqa: PLC0415
    from logger.logfile.meta import car_of  # noqa: PLC0415

    described = reader.info(log)
    document = _summary(described) | {
        "car": car_of(described.meta),
        "software": described.meta.get("software", ""),
        "carries": sorted(key for key in described.meta if key.startswith("dbc:") or key == "itinerary"),
        "rows": described.rows,
        "sessions": [
            {
                "session": session.id,
                "begun": _utc(session.first_utc_us),
                "duration": _duration(session.duration_s),
                "ended": session.ended or ("recording, or power cut" if described.open else "power cut"),
                "software": session.software,
            }
            for session in described.sessions
        ],
    }
    if as_json:
        echo_json(document)
        return
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            echo(f"{key}:")
            for item in value:
                echo("  " + ", ".join(f"{name} {text}" for name, text in item.items()))
        elif isinstance(value, dict):
            echo(f"{key}: " + ", ".join(f"{name} {text}" for name, text in value.items()))
        else:
            echo(f"{key}: {', '.join(value) if isinstance(value, list) else value}")


@click.command(name="verify")
@click.argument("log", type=_PATH, nargs=-1, required=True)
def verify(log: tuple[Path, ...]) -> int:
    """Check that each LOG is whole; exit 1 and print the reasons if one is not."""
    from logger.logfile.verify import verify as find_problems  # noqa: PLC0415

    damaged = False
    for path in log:
        with progress_bar(f"verifying {path.name}") as progress:
            problems = find_problems(path, progress)
        damaged = damaged or bool(problems)
        echo(f"{path}: {'NOT whole' if problems else 'whole'}")
        for problem in problems:
            echo(f"  {problem}")
    return EXIT_FOUND_WRONG if damaged else 0


def _summary(log: Any) -> dict[str, Any]:
    first = next((session.first_utc_us for session in log.sessions if session.first_utc_us), None)
    return {
        "log": log.path.name,
        "stage": log.stage,
        "begun": _utc(first),
        "duration": _duration(log.duration_s),
        "fixes": log.rows["fix"],
        "frames": log.rows["frame"],
        "size": f"{log.size_bytes / 1e6:.1f} MB",
        "state": "open" if log.open else "closed",
    }


def _utc(utc_us: int | None) -> str:
    return (
        "-"
        if utc_us is None
        else datetime.fromtimestamp(utc_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    )


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"
