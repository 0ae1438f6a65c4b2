"""The verb `protect`: exempt logs from removal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from logger.boundary.terminal import echo


@click.command(name="protect")
@click.argument("log", type=click.Path(path_type=Path, readable=False), nargs=-1)
@click.option("--off", is_flag=True, help="End the protection.")
@click.option(
    "--list",
    "lists",
    is_flag=True,
    help="List the protected logs in the folders LOG (default: current folder).",
)
def protect(log: tuple[Path, ...], off: bool, lists: bool) -> None:
    """Protect each LOG from removal, even when the card is full, until `protect --off`."""
    from logger.retention import log_directory  # noqa: PLC0415

    if lists and off:
        raise click.UsageError("--list and --off exclude each other")
    if lists:
        for folder in log or (Path(),):
            _list(folder, log_directory.protected(folder))
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
