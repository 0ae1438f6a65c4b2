"""Write exports to files: one format with what belongs beside it, or every format into a folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from firmware_bridge.errors import ConfigurationError, StagelogError
from logger.boundary import extras, interruption
from logger.boundary.os_errors import FULL, line_of, named
from logger.boundary.terminal import echo, output_bytes, progress_bar
from logger.boundary.whole_file import require_writable, whole_file
from logger.export import track
from logger.export.formats import FORMATS, Content, write
from logger.logfile.blocks import Progress
from logger.logfile.border import open_log_readonly
from logger.logfile.meta import META_PREFIX, meta_of
from logger.logfile.reader import last_row
from logger.logfile.selection import Selection

Select = Callable[[sqlite3.Connection], Selection]


class Job(NamedTuple):
    """One file of an export of everything: format, content, and the file's name."""

    name: str
    content: Content
    file_name: str


@contextmanager
def destination(output: Path | None) -> Iterator[BinaryIO]:
    """Yield standard output, or a file that gets its name when it is complete."""
    if output is not None:
        with whole_file(output) as stream:
            yield stream
        return
    with named("standard output"):
        stream = output_bytes()
        yield stream
        stream.flush()


def write_file(
    connection: sqlite3.Connection,
    selection: Selection,
    name: str,
    output: Path | None,
    progress: Progress,
    *,
    content: Content | None = None,
    dbc_texts: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write a format, and the file that belongs beside it: both get their names when both are complete.

    Standard output, devices and pipes get only the first. Returns the files. Raises StagelogError, OSError.
    """
    beside = FORMATS[name].beside
    written = [] if output is None else [output]
    with ExitStack() as stack:
        if beside and output is not None and (output.is_file() or not output.exists()):
            second = output.with_suffix(FORMATS[beside].suffix)
            if second == output:
                raise ConfigurationError(
                    f"{output} is the name of the second file of {name}",
                    hint=f"name the first, {output.with_suffix(FORMATS[name].suffix)}",
                )
            require_writable(second)
            write(connection, selection, beside, stack.enter_context(whole_file(second)))
            written.append(second)
        stream = stack.enter_context(destination(output))
        write(connection, selection, name, stream, progress, content=content, dbc_texts=dbc_texts)
    return written


def write_all(log: Path, folder: Path, select: Select, dbc_texts: Mapping[str, str]) -> bool:
    """Write every format and content that a log has into a folder, and print each file's path.

    A format that fails costs only its own files and one line. Returns whether all were written. Raises StagelogError if
    the log cannot be read at all, OSError if the folder cannot be made or its disk is full.
    """
    with open_log_readonly(log) as connection:
        select(connection)
        jobs, left_out = _jobs(connection, log.stem, has_dbc=bool(dbc_texts))
    folder.mkdir(parents=True, exist_ok=True)
    is_whole = True
    for job in jobs:
        path = folder / job.file_name
        try:
            with open_log_readonly(log) as connection, progress_bar(f"exporting {path.name}") as progress:
                chosen = select(connection)
                written = write_file(
                    *(connection, chosen, job.name, path, progress), content=job.content, dbc_texts=dbc_texts
                )
            for file in written:
                echo(file)
        except (StagelogError, OSError, ImportError) as error:
            failure = extras.missing(error, "export") if isinstance(error, ImportError) else error
            is_full = isinstance(failure, OSError) and failure.errno in FULL  # the next file fails too
            if failure is None or is_full or interruption.exit_code() is not None:
                raise
            is_whole = False
            echo(f"stagelog: {job.name}, {job.content}: {line_of(failure)}", err=True)
    for reason in left_out:
        echo(f"stagelog: left out: {reason}", err=True)
    return is_whole


def _jobs(connection: sqlite3.Connection, stem: str, *, has_dbc: bool) -> tuple[list[Job], list[str]]:
    """The files to write, and what is left out because the log has nothing of it."""
    meta = meta_of(connection)
    missing: dict[str, str] = {}
    if not last_row(connection, "frame"):
        missing = dict.fromkeys(("frames", "signals"), "the log has no CAN frames")
    elif not has_dbc and not any(key.startswith(META_PREFIX) for key in meta):
        missing["signals"] = "the log has no DBC file"
    if reason := _no_route(meta):
        missing["openrally"] = reason
    jobs = []
    companions = {known.beside for known in FORMATS.values()}
    for name, known in FORMATS.items():
        for content in known.writers:
            if name in companions or name in missing or content in missing:
                continue
            tails = (
                [name] if name == "openrally" else [content] if content != next(iter(known.writers)) else []
            )
            jobs.append(Job(name, content, "-".join([stem, *tails]) + known.suffix))
    return jobs, [f"{what}: {why}" for what, why in missing.items()]


def _no_route(meta: Mapping[str, str]) -> str:
    """Why the log's itinerary is no route: organisers hide coordinates. Empty if it is one, or cannot be read."""
    try:
        itinerary = track.route(meta)
    except ConfigurationError:
        return ""  # the export reports it
    if itinerary is None:
        return "the log has no itinerary"
    points = [waypoint for section in itinerary.sections for waypoint in section.waypoints]
    is_route = bool(points) and all(waypoint.position for waypoint in points)
    return "" if is_route else "its itinerary has waypoints without coordinates"
