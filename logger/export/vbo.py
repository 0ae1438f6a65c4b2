"""Write VBO, Racelogic's text format: one row per fix with a position, with stage and engine values.

Units are Racelogic's: UTC as HHMMSS.sss, latitude and longitude in minutes of arc, longitude positive to the west,
km/h, degrees, metres; other channels as mantissa and exponent. A row has a number in each column, so an unknown value
keeps the one before it, and is zero at the beginning. Vertical velocity is the change of altitude over a second. Lines
end with CR LF; timing gates are in `gates`.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import numpy as np

from firmware_bridge.engine.titles import DRIVE, ascii_unit, engine_title
from logger.export import as_of_join, gates, text
from logger.export.plain_names import ascii_text, unique
from logger.export.time_axis import TimeAxis
from logger.export.track import plain_title
from logger.logfile.blocks import FixBlock, Numbers, Progress
from logger.logfile.meta import meta_of
from logger.logfile.reader import channels_of
from logger.logfile.selection import Integers, Selection
from logger.version import SOFTWARE

_STANDARD = {
    "sats": "satellites",
    "time": "time",
    "lat": "latitude",
    "long": "longitude",
    "velocity": "velocity kmh",
    "heading": "heading",
    "height": "height",
    "vertvel": "vertical velocity kmh",
}
"""Racelogic's own channels: short name in [column names], long name in [header]."""
_STAGE_UNITS = ("", "km", "km/h")
"""Of as_of_join.STAGE_COLUMNS."""
_BATCH_ROWS = 2048
_DAY_MS = 86_400_000
_MINUTES = 60.0
"""Minutes of arc in a degree."""
_DECIMALS = 8
"""Of a minute: 0.02 mm."""
_MAX_NAME_CHARS = 60
_MAX_SATELLITES = 63
"""From 64 on the number means a brake trigger, from 128 on a differential fix."""
_CLIMB_US = 1_000_000
"""Altitude has a resolution of 0.1 m: from fix to fix its change would be mostly rounding."""
_LONGEST_CLIMB_US = 3_000_000


def write(connection: sqlite3.Connection, selection: Selection, stream: BinaryIO, progress: Progress) -> None:
    """Write a selection. Raises LogError."""
    axis = TimeAxis(connection, selection)
    names, titles, units = _own_channels(connection)
    stream.write(_head(connection, selection, axis, names, titles, units))
    held = _Held(4 + len(names))
    climb = _Climb()
    for block, joined in as_of_join.rows(connection, selection, progress):
        located = ~(np.isnan(block.lat) | np.isnan(block.lon))
        fixes, beside = block.rows(located), joined[located]
        if not len(fixes.t_us):
            continue
        at_us = axis.at(fixes.session, fixes.t_us, fixes.utc)
        values = held.filled(
            np.column_stack(
                [fixes.satellites, fixes.speed_mps * 3.6, fixes.course_deg % 360.0, fixes.alt_m, beside]
            )
        )
        climb_kmh = climb.kmh(at_us, values[:, 3])
        for first in range(0, len(at_us), _BATCH_ROWS):
            rows = slice(first, first + _BATCH_ROWS)
            stream.write(_lines(fixes.rows(rows), at_us[rows], values[rows], climb_kmh[rows]))


def _own_channels(connection: sqlite3.Connection) -> tuple[list[str], list[str], list[str]]:
    """Column names, titles and units of the stage's and the engine's columns, in the order of `as_of_join`."""
    channels = list(channels_of(connection).values())
    keys = [*as_of_join.STAGE_COLUMNS, *(channel.name for channel in channels)]
    titles = [DRIVE[key].title for key in as_of_join.STAGE_COLUMNS]
    titles += [engine_title(channel.name) for channel in channels]
    units = [*_STAGE_UNITS, *(channel.unit for channel in channels)]
    names = unique(["".join(_plain(key).split()) for key in keys], _STANDARD)
    return names, unique([_plain(shown) for shown in titles], _STANDARD.values()), units


def _plain(shown: str) -> str:
    """A line of ASCII that no reader takes for the beginning of a section."""
    return ascii_text(shown, _MAX_NAME_CHARS).replace("[", "(").replace("]", ")")


def _head(
    connection: sqlite3.Connection,
    selection: Selection,
    axis: TimeAxis,
    names: list[str],
    titles: list[str],
    units: list[str],
) -> bytes:
    created = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=axis.start_s)
    sections = {
        "header": [*_STANDARD.values(), *titles],
        "channel units": [_plain(ascii_unit(unit)) for unit in units],
        "comments": [f"Software : {SOFTWARE}", f"Drive : {_plain(plain_title(meta_of(connection)))}"],
        "laptiming": gates.lines(connection, selection, axis),
        "column names": [" ".join((*_STANDARD, *names))],
    }
    lines = [f"File created on {created:%d/%m/%Y at %H:%M:%S}", ""]
    for section, content in sections.items():
        lines += [f"[{section}]", *content, ""]
    return "\r\n".join([*lines, "[data]", ""]).encode()


def _lines(fixes: FixBlock, at_us: Integers, values: Numbers, climb_kmh: Numbers) -> bytes:
    satellites, kmh, course_deg, alt_m = values[:, :4].T
    others: list[list[text.Part]] = [[text.exponential(column, 6)] for column in values[:, 4:].T]
    fields: list[list[text.Part]] = [
        [text.padded(np.minimum(satellites, _MAX_SATELLITES).astype(np.int64), 3)],
        _time(at_us),
        _signed(fixes.lat * _MINUTES, 5, _DECIMALS),
        _signed(fixes.lon * -_MINUTES, 5, _DECIMALS),
        [text.fixed(kmh, 3, trim=False)],
        [text.fixed(course_deg, 2, trim=False)],
        _signed(alt_m, 5, 2),
        _signed(climb_kmh, 3, 3),
        *others,
    ]
    parts: list[text.Part] = []
    for field in fields:
        parts += [*field, b" "]
    parts[-1] = b"\r\n"
    return text.lines(len(at_us), parts)


def _time(at_us: Integers) -> list[text.Part]:
    """Time of day as HHMMSS.sss."""
    of_day_ms = (at_us + 500) // 1000 % _DAY_MS
    second, ms = np.divmod(of_day_ms, 1000)
    hhmmss = second // 3600 * 10_000 + second // 60 % 60 * 100 + second % 60
    return [text.padded(hhmmss, 6), b".", text.padded(ms, 3)]


def _signed(values: Numbers, digits: int, decimals: int) -> list[text.Part]:
    """Numbers with a sign and leading zeros: +03119.09973000."""
    whole, fraction = np.divmod(np.rint(np.abs(values) * 10.0**decimals).astype(np.int64), 10**decimals)
    digits = max(digits, len(str(int(whole.max(initial=0)))))
    sign = text.chosen((b"+", b"-"), (values < 0).astype(int))
    return [sign, text.padded(whole, digits), b".", text.padded(fraction, decimals)]


class _Held:
    """Replaces unknown values by the last known one of their column, across blocks."""

    def __init__(self, columns: int) -> None:
        self._last: Numbers = np.zeros(columns)

    def filled(self, values: Numbers) -> Numbers:
        values = np.vstack([self._last, values])
        rows = np.where(np.isfinite(values), np.arange(len(values))[:, None], 0)
        filled = np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)
        self._last = filled[-1]
        return filled[1:]


class _Climb:
    """Vertical velocity from the altitude a second before, across blocks."""

    def __init__(self) -> None:
        self._at_us: Integers = np.empty(0, dtype=np.int64)
        self._alt_m: Numbers = np.empty(0)

    def kmh(self, at_us: Integers, alt_m: Numbers) -> Numbers:
        known_us = np.maximum.accumulate(np.concatenate([self._at_us, at_us]))
        known_m = np.concatenate([self._alt_m, alt_m])
        before = np.searchsorted(known_us, at_us - _CLIMB_US, side="right") - 1
        took_us = at_us - known_us[before]
        usable = (before >= 0) & (took_us >= _CLIMB_US) & (took_us <= _LONGEST_CLIMB_US)
        climb = np.where(usable, (alt_m - known_m[before]) / np.maximum(took_us, 1) * 3.6e6, 0.0)
        keep = known_us >= at_us[-1] - _LONGEST_CLIMB_US
        self._at_us, self._alt_m = known_us[keep], known_m[keep]
        return climb
