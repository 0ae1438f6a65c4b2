"""Command `export`: open the log and the output file; `formats.write` does the work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from logger.boundary.options import PATH, section_option
from logger.boundary.terminal import echo, progress_bar
from logger.boundary.whole_file import require_writable
from logger.export import formats

ALL = "all"
"""Name of the choice of every format."""


def _moment(_context: click.Context, _option: click.Parameter, text: str | None) -> Any:
    from logger.logfile.selection import moment  # noqa: PLC0415 - numpy

    try:
        return None if text is None else moment(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is not a UTC time such as 2026-01-15T08:30 or 08:30:00"
        ) from error


def _present(_context: click.Context, _argument: click.Parameter, log: Path) -> Path:
    """Refuse a log that does not exist before click misses the format."""
    from logger.logfile.border import require_log_file  # noqa: PLC0415 - a verb imports what it runs

    if not log.exists():
        require_log_file(log)
    return log


def _file(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """None for the standard output, which other programs call "-" too."""
    return None if path == Path("-") else path


class _Export(click.Command):
    """The command, with the table of formats in its help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Formats, and programs that open them"):
            formatter.write_dl([(name, known.opens_in) for name, known in formats.FORMATS.items()])


@click.command(name="export", cls=_Export)
@click.argument("log", type=PATH, callback=_present)
@click.option(
    "--format",
    "format_name",
    type=click.Choice((*formats.FORMATS, ALL), case_sensitive=False),
    required=True,
    help="Output format; all: one file in each format, in the folder that -o names.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    callback=_file,
    help="Output file; by default, and with -, standard output. motec writes the .ldx beside it.",
)
@click.option(
    "--from",
    "first",
    metavar="TIME",
    callback=_moment,
    help="Start at this UTC time: 2026-01-15T08:30, or only 08:30.",
)
@click.option("--to", "last", metavar="TIME", callback=_moment, help="End at this UTC time.")
@section_option
@click.option("--frames", is_flag=True, help="Export the raw CAN frames instead of the fixes (csv, parquet).")
@click.option(
    "--signals",
    is_flag=True,
    help="Export the signals decoded from all frames (csv, parquet, mf4; motec: with the fixes).",
)
@click.option("--events", is_flag=True, help="Export the events, such as sections and alarms (csv).")
@click.option(
    "--dbc",
    multiple=True,
    type=PATH,
    help="Decode with this DBC file instead of the log's own; implies --signals.",
)
def export(
    log: Path,
    format_name: str,
    output: Path | None,
    first: Any,
    last: Any,
    section: int | None,
    frames: bool,
    signals: bool,
    events: bool,
    dbc: tuple[Path, ...],
) -> None:
    """Export LOG, or a part of it, to another format. With --format openrally, LOG may be an itinerary, STAGE.toml."""
    from logger.config.input_files import read_dbcs, read_text  # noqa: PLC0415
    from logger.export.files import destination, write_all, write_file  # noqa: PLC0415 - numpy
    from logger.logfile import selection  # noqa: PLC0415 - numpy
    from logger.logfile.border import open_log_readonly  # noqa: PLC0415
    from logger.stage import itinerary  # noqa: PLC0415
    from logger.stage.openrally.write import write  # noqa: PLC0415

    contents: dict[formats.Content, bool] = {
        "frames": frames,
        "signals": signals or bool(dbc),
        "events": events,
    }
    chosen_contents = [name for name, is_chosen in contents.items() if is_chosen]
    if len(chosen_contents) > 1:
        raise click.UsageError("--frames, --signals and --events exclude each other: choose one")
    dbc_texts = read_dbcs(dbc)
    if format_name == ALL:
        if output is None or frames or signals or events:
            raise click.UsageError(
                "--format all writes everything: name a folder with -o, without --frames, --signals and --events"
            )
        if not write_all(
            log, output, lambda connection: selection.select(connection, first, last, section), dbc_texts
        ):
            raise click.exceptions.Exit(1)
        return
    if output is None and sys.stdout.isatty() and formats.FORMATS[format_name].is_binary:
        raise click.UsageError(f"{format_name} is binary and not written to a terminal: name a file with -o")
    if output is not None:
        require_writable(output, log)
    if format_name == "openrally" and log.suffix.lower() == ".toml":
        with destination(output) as stream:
            stream.write(write(itinerary.load(read_text(log), str(log))))
        _report([] if output is None else [output])
        return
    content = chosen_contents[0] if chosen_contents else None
    with open_log_readonly(log) as connection, progress_bar(f"exporting {log.name}") as progress:
        chosen = selection.select(connection, first, last, section)
        written = write_file(
            connection, chosen, format_name, output, progress, content=content, dbc_texts=dbc_texts
        )
    _report(written)


def _report(written: list[Path]) -> None:
    """Print each file and its size to standard error."""
    for path in written:
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "written"
        echo(f"{path}: {size}", err=True)
