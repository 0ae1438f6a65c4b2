"""The verb `protect`: exempt logs from removal."""

from __future__ import annotations

from pathlib import Path

import click

from logger.boundary.terminal import echo


@click.command(name="protect")
@click.argument("log", type=click.Path(path_type=Path, readable=False), nargs=-1, required=True)
@click.option("--off", is_flag=True, help="End the protection.")
def protect(log: tuple[Path, ...], off: bool) -> None:
    """Protect each LOG from removal, even when the card is full, until `protect --off`."""
    from logger.retention import log_directory  # noqa: PLC0415

    for path in log:
        log_directory.protect(path, on=not off)
        echo(f"{path}: {'may be removed once downloaded' if off else 'protected'}")
