"""The verb `protect`: exempt logs from removal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from logger.boundary.options import PATH, json_option
from logger.boundary.terminal import echo, echo_json


@click.command(name="protect")
@click.argument("log", type=PATH, nargs=-1)
@click.option("--off", is_flag=True, help="End the protection.")
@click.option(
    "--list",
    "lists",
    is_flag=True,
    help="List the protected logs in the folders LOG (default: current folder).",
)
@json_option
def protect(log: tuple[Path, ...], off: bool, lists: bool, as_json: bool) -> None:
    """Protect each LOG from removal, even when the card is full, until `protect --off`."""
    from logger.retention import log_directory  # noqa: PLC0415

    if lists and off:
        raise click.UsageError("--list and --off exclude each other")
    if as_json and not lists:
        raise click.UsageError("--json needs --list")
    if lists:
        listed = {folder: log_directory.protected(folder) for folder in log or (Path(),)}
        if as_json:
            entries = (path for paths in listed.values() for path in paths)
            echo_json(
                {"logs": [{"log": path.name, "path": str(path), "exists": path.exists()} for path in entries]}
            )
            return
        for folder, paths in listed.items():
            _list(folder, paths)
        return
    if not log:
        raise click.UsageError("missing argument LOG: the log to protect, or --list")
    for path in log:
        log_directory.protect(path, on=not off)
        echo(f"{path}: {'may be removed once downloaded' if off else 'protected'}")


def _list(folder: Path, paths: Sequence[Path]) -> None:
    for path in paths:
        echo(
            path
            if path.exists()
            else f"{path}: the mark is left, but the log is gone; `protect --off` removes it"
        )
    if not paths:
        echo(f"no protected logs in {folder.absolute()}")
