"""Table of export formats, and `write` for a selection of a log in any of them.

Each format is a module of this package, imported on use: pyarrow and asammdf are optional and large. The crew server
needs only the list of formats, so this module does not import numpy.
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

Content = Literal["fixes", "frames", "signals", "events"]


class Format(NamedTuple):
    """A format: file suffix, and the function ("module.name" in this package) that writes each content it can hold."""

    suffix: str
    writers: Mapping[Content, str]
    opens_in: str
    """Programs that open it, for help texts and menus."""
    libraries: tuple[str, ...] = ()
    """The optional libraries that it needs, besides numpy."""
    beside: str = ""
    """The format of a second file, of the same name, that its programs read with it."""
    is_binary: bool = False
    seeks: bool = False
    """Whether the writer seeks in its file."""


FORMATS: dict[str, Format] = {
    "motec": Format(
        ".ld",
        {"fixes": "motec.write", "signals": "motec.write_signals"},
        "MoTeC i2",
        beside="ldx",
        is_binary=True,
    ),
    "ldx": Format(".ldx", {"fixes": "motec_ldx.write"}, "MoTeC i2, beside the .ld: laps by waypoints"),
    "vbo": Format(".vbo", {"fixes": "vbo.write"}, "RaceChrono, Circuit Tools, RaceRender"),
    "gpx": Format(".gpx", {"fixes": "gpx.write"}, "Google Earth, Garmin BaseCamp, QGIS"),
    "kml": Format(".kml", {"fixes": "kml.write"}, "Google Earth"),
    "csv": Format(
        ".csv",
        {
            "fixes": "csv.write_fixes",
            "frames": "csv.write_frames",
            "signals": "csv.write_signals",
            "events": "csv.write_events",
        },
        "Excel, LibreOffice, MATLAB",
    ),
    "parquet": Format(
        ".parquet",
        {
            "fixes": "parquet.write_fixes",
            "frames": "parquet.write_frames",
            "signals": "parquet.write_signals",
        },
        "pandas, DuckDB",
        libraries=("pyarrow",),
        is_binary=True,
    ),
    "mf4": Format(
        ".mf4",
        {"frames": "mf4.write_frames", "signals": "mf4.write_signals"},
        "asammdf, CANape, Vector vSignalyzer",
        libraries=("asammdf",),
        is_binary=True,
    ),
    "candump": Format(".log", {"frames": "canlog.write_candump"}, "can-utils, SavvyCAN"),
    "asc": Format(".asc", {"frames": "canlog.write_asc"}, "CANalyzer, SavvyCAN"),
    "blf": Format(".blf", {"frames": "canlog.write_blf"}, "CANalyzer, CANoe", is_binary=True, seeks=True),
    "openrally": Format(".gpx", {"fixes": "gpx.write_openrally"}, "roadbook programs (OpenRally)"),
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

    `content` defaults to the first that the format can hold. `dbc_texts`, by name, replace the log's own DBC files for
    signals. `progress` receives the share done, 0 to 1. Constant memory. Raises StagelogError.
    """
    output_format = FORMATS.get(name)
    if output_format is None:
        raise ConfigurationError(f"no format {name!r}", hint=f"choose one of {', '.join(FORMATS)}")
    kind = next(iter(output_format.writers)) if content is None else content
    if kind not in output_format.writers:
        able = ", ".join(key for key, other in FORMATS.items() if kind in other.writers)
        raise ConfigurationError(f"{name} cannot hold {kind}", hint=f"choose one of {able}")
    module, function = output_format.writers[kind].split(".")
    writer = getattr(import_module(f"logger.export.{module}"), function)
    arguments = (dbc_texts or {},) if kind == "signals" else ()
    if not output_format.seeks or stream.seekable():
        writer(connection, selection, stream, progress, *arguments)
        return
    with tempfile.TemporaryFile() as file:
        writer(connection, selection, file, progress, *arguments)
        file.seek(0)
        shutil.copyfileobj(file, stream)
