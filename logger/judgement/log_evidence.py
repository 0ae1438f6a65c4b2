"""Read evidence from a log. A damaged log is read up to the damage; frames are never read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from firmware_bridge.errors import LogError
from logger.judgement.event_details import checked_detail
from logger.judgement.evidence import Evidence, Floats, RawRows, assemble
from logger.logfile import value_ranges
from logger.logfile.border import is_interrupted, reason_of
from logger.logfile.meta import json_of, meta_of
from logger.logfile.sqlite_pages import table_of
from logger.recorder.stage_files import stage_of

FIX_NAMES = ("session", "t_us", "utc_us", "lat", "lon", "alt_m", "speed_mps", "course_deg", "quality",
             "satellites", "hdop")  # fmt: skip
SEEN_NAMES = (
    "session",
    "t_us",
    "section",
    "distance_m",
    "elapsed_s",
    "average_mps",
    "limit_kmh",
    "speed_mps",
)
_PLACE = slice(FIX_NAMES.index("lat"), FIX_NAMES.index("lon") + 1)
_DISTANCE = SEEN_NAMES.index("distance_m")
_EVENTS = "SELECT session, t_us, kind, detail FROM event ORDER BY rowid"


class DamagedLogReader:
    """Rows of a log up to where it is damaged. `damage` is the first read error; `odd` counts rejected values."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.damage = ""
        self.odd = 0

    def rows(self, what: str, sql: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query, as many as can be read. `what` names them in `damage`."""
        try:
            yield from self._connection.execute(sql)
        except sqlite3.Error as error:
            if is_interrupted(error):
                raise
            self.damage = self.damage or f"{what}: {reason_of(error)}"

    def events(self) -> list[tuple[int, int, str, dict[str, Any]]]:
        """Session, t_us, kind and detail of the events, as written. Invalid events are left out and counted."""
        events = []
        for session, t_us, kind, text in self.rows("events", _EVENTS):
            detail = checked_detail(kind, text)
            if (
                detail is not None
                and value_ranges.holds("session", session)
                and value_ranges.holds("t_us", t_us)
            ):
                events.append((session, t_us, kind, detail))
            else:
                self.odd += 1
        return events

    def meta(self) -> dict[str, str]:
        """The log's meta; empty if it cannot be read."""
        try:
            return meta_of(self._connection)
        except sqlite3.DatabaseError as error:
            if is_interrupted(error):
                raise
            self.damage = self.damage or f"meta: {reason_of(error)}"
            return {}

    def numbers(self, what: str, name: str, columns: Sequence[str]) -> Floats:
        """Columns of a table as floats, in order of writing; nan for NULL."""
        numbers = self._by_pages(name, columns)
        if numbers is None:
            numbers = self._by_rows(what, name, columns)
        for place, column in enumerate(columns):
            self.odd += value_ranges.set_unknown_nan(column, numbers[:, place])
        return numbers[
            np.isfinite(numbers[:, :2]).all(axis=1)
        ]  # a damaged page may yield rows without session or time

    def _by_pages(self, name: str, columns: Sequence[str]) -> Floats | None:
        """Read a whole table page by page; None if a recorder writes the log or a page is damaged."""
        try:
            table = table_of(self._connection, name)
            if table is None:
                return None
            places = [table.columns.index(column) for column in columns]
            parts = [
                np.column_stack([cells.numbers(place) for place in places]) for cells, _ in table.cells()
            ]
        except (sqlite3.Error, LogError, ValueError):
            return None
        return np.concatenate(parts)

    def _by_rows(self, what: str, name: str, columns: Sequence[str]) -> Floats:
        """Read rows by SQL, up to the damage. SQLite returns NULL and values that are not numbers as infinity."""
        cells = ", ".join(
            f"iif(typeof({column}) IN ('integer', 'real'), {column}, 9e999)" for column in columns
        )
        rows = self.rows(what, f"SELECT {cells} FROM {name} ORDER BY rowid")  # noqa: S608 - names are ours
        flat = np.fromiter(chain.from_iterable(rows), dtype=np.float64)
        flat[np.isinf(flat)] = np.nan
        return flat.reshape(-1, len(columns))


def from_log(
    connection: sqlite3.Connection,
    path: Path,
    *,
    open_now: bool,
    itinerary_text: str = "",
    rules_text: str = "",
) -> Evidence:
    """Read evidence from the log's own rows. Raises ConfigurationError if its itinerary cannot be used."""
    reader = DamagedLogReader(connection)
    meta = reader.meta()
    stage = stage_of(
        itinerary_text or meta.get("itinerary", ""),
        "the log's itinerary",
        rules_text or meta.get("rules", ""),
        "the log's rules",
        reset_odometer=json_of(meta, "reset_odometer", True),
    )
    fix = reader.numbers("fixes", "fix", FIX_NAMES)
    fix[np.isnan(fix[:, _PLACE]).any(axis=1), _PLACE] = np.nan  # a position needs both coordinates
    progress = reader.numbers("progress", "progress", SEEN_NAMES)
    rows = RawRows(
        fix,
        progress[np.isfinite(progress[:, _DISTANCE])],  # a row without a distance is useless
        reader.events(),
    )
    counts = {}
    for name in ("sentence", "frame", "reading", "rejected"):
        row = next(reader.rows(name, f"SELECT coalesce(max(rowid), 0) FROM {name}"), (0,))  # noqa: S608
        counts[name] = int(row[0])
    remarks = []
    if open_now:
        remarks.append("the log is still being recorded, or the power was cut: reviewed up to its last row")
    if reader.odd:
        remarks.append(f"{reader.odd} invalid values or events are left out: `stagelog verify` lists them")
    return assemble(
        path.name, meta, stage, rows, remarks=tuple(remarks), damage=reader.damage, path=path, counts=counts
    )
