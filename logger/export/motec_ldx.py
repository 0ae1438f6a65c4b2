"""Write MoTeC's .ldx: the beacons of a .ld file, by which i2 divides it into laps.

A beacon is a start or finish of a section or a validated waypoint, with its name, so that the laps are the road between
one waypoint and the next. Its time is in microseconds from the beginning of the .ld, which has the same name. i2 counts
laps from 1, the first one from the beginning of the file to the first beacon.
"""

from __future__ import annotations

import sqlite3
from itertools import groupby, pairwise
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

from firmware_bridge.printable import marked
from logger.export.marks import marks_of
from logger.export.plain_names import unique
from logger.export.time_axis import TimeAxis
from logger.logfile.blocks import Progress
from logger.logfile.selection import Selection

_FLAGS = 77
"""Of a beacon that i2 may move, as i2 itself writes it."""


def write(connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress) -> None:
    """Write the beacons of a selection. Raises sqlite3.Error."""
    axis = TimeAxis(connection, selection)
    marks = [mark for mark in marks_of(connection, selection, axis) if mark.at_us > axis.start_s * 1_000_000]
    beacons = {
        at_us - axis.start_s * 1_000_000: ", ".join(dict.fromkeys(mark.label for mark in together))
        for at_us, together in groupby(marks, key=lambda mark: mark.at_us)
    }
    laps_us = [second - first for first, second in pairwise(beacons)]
    details = {"Total Laps": str(len(beacons) + 1)}
    if laps_us:
        details["Fastest Time"] = _lap_time(min(laps_us))
        details["Fastest Lap"] = str(laps_us.index(min(laps_us)) + 2)
    lines = [
        '<?xml version="1.0"?>',
        '<LDXFile Locale="English_United Kingdom.1252" DefaultLocale="C" Version="1.6">',
        " <Layers>\n  <Layer>\n   <MarkerBlock>",
        f'    <MarkerGroup Name="Beacons" Index="{len(beacons)}">',
        *(
            f'     <Marker Version="100" ClassName="BCN" Name={quoteattr(marked(name))} Flags="{_FLAGS}"'
            f' Time="{from_start_us:.17e}"/>'
            for from_start_us, name in zip(beacons, unique(beacons.values()), strict=True)
        ),
        "    </MarkerGroup>\n   </MarkerBlock>\n   <RangeBlock/>\n  </Layer>\n  <Details>",
        *(f'   <String Id="{key}" Value="{value}"/>' for key, value in details.items()),
        "  </Details>\n </Layers>\n</LDXFile>\n",
    ]
    stream.write("\n".join(lines).encode())
    progress(1.0)


def _lap_time(lap_us: int) -> str:
    """A lap time as i2 writes it: 12:05.250."""
    minutes, ms = divmod((lap_us + 500) // 1000, 60_000)
    return f"{minutes}:{ms // 1000:02d}.{ms % 1000:03d}"
