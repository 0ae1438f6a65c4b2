"""The verb of retention: protect."""

from __future__ import annotations

from pathlib import Path

import click

from logger.boundary.terminal import echo


@click.command(name="protect")
@click.argument("log", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--off", is_flag=True, help="It need not stay any longer.")
def protect(log: tuple[Path, ...], off: bool) -> None:
    """Have each LOG stay on the card, however full that becomes, until it is taken back with --off."""
    from logger.retention import log_directory  # noqa: PLC0415

    for path in log:
        log_directory.protect(path, on=not off)
        echo(f"{path}: {'may go when it has been downloaded' if off else 'stays'}")
