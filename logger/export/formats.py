"""Which formats there are, what each can hold, and the one call that writes a selection of a log in any of them.

Formats are modules of this room, imported when they are asked for: pyarrow and asammdf are extras, and big. The crew
server asks only which there are: this module alone brings no numpy.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO, Literal, NamedTuple

from firmware_bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from logger.logfile.blocks import Progress
    from logger.logfile.selection import Selection

Content = Literal["fixes", "frames", "signals"]


class Format(NamedTuple):
    """How a format's files end, and the function, "module.name" of this room, that writes each content it can hold."""

    suffix: str
    writers: Mapping[Content, str]
    seeks: bool = False
    """Whether it goes back in its file to complete it."""


FORMATS: dict[str, Format] = {
    "gpx": Format(".gpx", {"fixes": "gpx.write"}),
    "csv": Format(
        ".csv", {"fixes": "csv.write_fixes", "frames": "csv.write_frames", "signals": "csv.write_signals"}
    ),
    "kml": Format(".kml", {"fixes": "kml.write"}),
    "parquet": Format(
        ".parquet",
        {
            "fixes": "parquet.write_fixes",
            "frames": "parquet.write_frames",
            "signals": "parquet.write_signals",
        },
    ),
    "candump": Format(".log", {"frames": "canlog.write_candump"}),
    "asc": Format(".asc", {"frames": "canlog.write_asc"}),
    "blf": Format(".blf", {"frames": "canlog.write_blf"}, seeks=True),
    "mf4": Format(".mf4", {"frames": "mf4.write_frames", "signals": "mf4.write_signals"}),
    "openrally": Format(".gpx", {"fixes": "gpx.write_openrally"}),
}


def write(
    connection: sqlite3.Connection,
    selection: Selection,
    name: str,
    stream: BinaryIO,
    progress: Progress = lambda _done: None,
    *,
    content: Content | None = None,
    dbc_texts: Mapping[str, str] | None = None,
) -> None:
    """Write a selection of a log to a stream in the format `name`.

    `content` is what of it, unless that goes without saying; `dbc_texts`, by name, read the signals instead of the
    log's own DBC files. `progress` is told the share done, 0 to 1. Constant memory. Raises StagelogError.
    """
    chosen = FORMATS.get(name)
    if chosen is None:
        raise ConfigurationError(f"no format {name!r}", hint=f"there are {', '.join(FORMATS)}")
    wanted = next(iter(chosen.writers)) if content is None else content
    if wanted not in chosen.writers:
        able = ", ".join(key for key, one in FORMATS.items() if wanted in one.writers)
        raise ConfigurationError(f"{name} cannot hold {wanted}", hint=f"choose one of {able}")
    module, function = chosen.writers[wanted].split(".")
    writer = getattr(import_module(f"logger.export.{module}"), function)
    arguments = (dbc_texts or {},) if wanted == "signals" else ()
    if not chosen.seeks or stream.seekable():
        writer(connection, selection, stream, progress, *arguments)
        return
    with tempfile.TemporaryFile() as file:
        writer(connection, selection, file, progress, *arguments)
        file.seek(0)
        shutil.copyfileobj(file, stream)
