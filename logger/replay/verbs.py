"""The verb `replay`: run a recording through the recorder's computation again."""

from __future__ import annotations

from pathlib import Path

import click

from logger.boundary.options import PATH
from logger.boundary.terminal import echo, progress_bar


@click.command(name="replay")
@click.argument("file", type=PATH)
@click.option(
    "--protocol", help="FILE holds raw bytes captured from a port with this protocol: slcan, gvret, nmea ..."
)
@click.option(
    "--baud",
    type=click.IntRange(300, 12_000_000),
    default=115_200,
    show_default=True,
    help="Speed of the line that carried raw bytes, bit/s.",
)
@click.option("--dbc", multiple=True, type=PATH, help="Decode the engine's frames with this DBC file.")
@click.option("--preset", multiple=True, help="Decode the engine's frames with a preset: obd2.")
@click.option(
    "--as-dated",
    is_flag=True,
    help="Trust the dates in FILE: it is from 2007 or before, not after a GPS week rollover.",
)
@click.option("-o", "--output", type=PATH, help="Write the result as a log into this folder.")
def replay(
    file: Path,
    protocol: str | None,
    baud: int,
    dbc: tuple[Path, ...],
    preset: tuple[str, ...],
    as_dated: bool,
    output: Path | None,
) -> None:
    """Run a recording through the recorder's computation again.

    FILE is a log, an NMEA text, a CAN log (candump, SavvyCAN CSV, ASC, BLF, TRC, BUSMASTER, MF4, python-can's own), or,
    with --protocol, raw bytes of a port. Texts may be gzipped. Prints a summary; with -o, writes a log.
    """
    from logger.config.input_files import read_dbcs  # noqa: PLC0415
    from logger.replay import replay_to_log  # noqa: PLC0415
    from logger.replay.replay import Capture  # noqa: PLC0415

    capture = Capture(file, protocol, baud, read_dbcs(dbc), preset, as_dated=as_dated)
    with progress_bar(f"replaying {file.name}") as progress:
        outcome = replay_to_log.replay(capture, output, progress)
    for line in outcome.lines():
        echo(line)
