"""The verbs `logs`, `info` and `verify`: list logs, describe one log, check that a log is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from firmware_bridge.errors import LogError
from logger.boundary.options import PATH, json_option
from logger.boundary.terminal import echo, echo_json, print_table, progress_bar

EXIT_FOUND_WRONG = 1
_SALVAGE_HINT = "copy it again from the car, or see with `stagelog review` what can be read"
"""How to go on with a damaged log."""


@click.command(name="logs")
@click.argument("folder", type=PATH, default=Path(), required=False)
@json_option
def logs(folder: Path, as_json: bool) -> None:
    """List the logs in FOLDER (default: current folder).

    Columns: stage, car, start, duration, rows, size, state.
    """
    from logger.logfile.documents import logs_document  # noqa: PLC0415

    document = logs_document(folder)
    if as_json:
        echo_json(document)
    elif not document["logs"]:
        echo(f"no logs in {document['folder']}")
    else:
        rows = [_shown(entry) for entry in document["logs"]]
        columns = ["log", "stage", "begun", "duration", "fixes", "frames", "size", "state"]
        print_table(columns, [[str(row[column]) for column in columns] for row in rows])


@click.command(name="info")
@click.argument("log", type=PATH)
@json_option
def info(log: Path, as_json: bool) -> None:
    """Show what LOG contains: stage, car, sessions, rows per table, embedded files."""
    from logger.logfile import documents, reader  # noqa: PLC0415

    document = documents.info_document(reader.info(log))
    if as_json:
        echo_json(document)
        return
    for key, text in _shown(document).items():
        echo(f"{key}: {text}")
    echo("car: " + _pairs({key: value for key, value in document["car"].items() if value is not None}))
    echo(f"software: {document['software'] or ''}")
    echo(f"carries: {', '.join(document['carries'])}")
    echo("rows: " + _pairs(document["rows"]))
    echo("sessions:")
    cut = "recording" if document["state"] == "recording" else "power cut"
    for session in document["sessions"]:
        shown = {
            "session": session["session"],
            "begun": _begun(session),
            "duration": _duration(session["duration_s"]),
            "ended": session["ended"] or cut,
            "software": session["software"] or "",
        }
        echo("  " + _pairs(shown))


@click.command(name="verify")
@click.argument("log", type=PATH, nargs=-1, required=True)
@json_option
def verify(log: tuple[Path, ...], as_json: bool) -> int:
    """Check that each LOG is whole; exit 1 and print the reasons if one is not."""
    from logger.logfile.border import require_log_file  # noqa: PLC0415
    from logger.logfile.documents import verify_entry  # noqa: PLC0415
    from logger.logfile.verify import verify as find_problems  # noqa: PLC0415

    entries = []
    for path in log:
        with progress_bar(f"verifying {path.name}") as progress:
            hint = _SALVAGE_HINT
            try:
                require_log_file(path)
            except LogError as error:
                hint = error.hint
            entry = verify_entry(path, find_problems(path, progress))
        entries.append(entry)
        if not as_json:
            echo(f"{path}: {'whole' if entry['whole'] else f'NOT whole; {hint}'}")
            for problem in entry["problems"]:
                echo(f"  {problem}")
    if as_json:
        echo_json({"logs": entries})
    return 0 if all(entry["whole"] for entry in entries) else EXIT_FOUND_WRONG


def _shown(entry: dict[str, Any]) -> dict[str, str]:
    """A log's entry as the cells of a table; the reason instead of the state of a log that cannot be read."""
    from logger.logfile.documents import STATE_WORDS  # noqa: PLC0415

    shown = {"log": entry["log"], "state": entry["trouble"] or STATE_WORDS[entry["state"]]}
    if entry["trouble"]:
        return dict.fromkeys(("stage", "begun", "duration", "fixes", "frames", "size"), "") | shown
    return {
        "log": entry["log"],
        "stage": entry["stage"] or "-",
        "begun": _begun(entry),
        "duration": _duration(entry["duration_s"]),
        "fixes": str(entry["fixes"]),
        "frames": str(entry["frames"]),
        "size": f"{entry['size_bytes'] / 1e6:.1f} MB",
        "state": shown["state"],
    }


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in values.items()
    )


def _begun(entry: dict[str, Any]) -> str:
    """UTC to the second, without the marks of ISO 8601."""
    return "-" if entry["begun_utc"] is None else entry["begun_utc"][:19].replace("T", " ")


def _duration(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d}"
