"""The verb `replay`: run a recording through the live computation again."""

from __future__ import annotations

from pathlib import Path

import click

from logger.boundary.terminal import echo, progress_bar

_PATH = click.Path(path_type=Path)


@click.command(name="replay")
@click.argument("file", type=_PATH)
@click.option("--protocol", help="The file is raw bytes of a port that spoke this: slcan, gvret, nmea ...")
@click.option(
    "--baud",
    type=click.IntRange(300, 12_000_000),
    default=115_200,
    show_default=True,
    help="Pace of raw bytes, bit/s.",
)
@click.option("--dbc", multiple=True, type=_PATH, help="Read the engine's frames with this DBC file.")
@click.option("--preset", multiple=True, help="Read the engine's frames with a preset: obd2.")
@click.option(
    "--as-dated", is_flag=True, help="Its dates are true: a log of 2007 or before, not a week rollover."
)
@click.option("-o", "--output", type=_PATH, help="Make a log of it in this folder.")
def replay(
    file: Path,
    protocol: str | None,
    baud: int,
    dbc: tuple[Path, ...],
    preset: tuple[str, ...],
    as_dated: bool,
    output: Path | None,
) -> None:
    """Put a recording through the recorder's computation again.

    FILE is a log, an NMEA text, a CAN log (candump, SavvyCAN CSV, ASC, BLF, TRC, BUSMASTER, MF4, python-can's own), or,
    with --protocol, bytes caught from a port. Texts may be gzipped. Prints the result; with -o, makes a log of it.
    """
    from logger.config.input_files import read_dbcs  # noqa: PLC0415
    from logger.replay import replaying  # noqa: PLC0415
    from logger.replay.replay import Capture  # noqa: PLC0415

    capture = Capture(file, protocol, baud, read_dbcs(dbc), preset, as_dated=as_dated)
    with progress_bar(f"replaying {file.name}") as progress:
        outcome = replaying.replay(capture, output, progress)
    for line in outcome.lines():
        echo(line)
