"""Catalogue of a store: the rows of its table `log`, and the paths of each log's files."""

from __future__ import annotations

import io
import logging
import math
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import parquet

from firmware_bridge.errors import ConfigurationError, LogError
from firmware_bridge.printable import printable
from logger.boundary.file_names import is_file_name
from logger.fleet.footers import require_bounded
from logger.fleet.store import Store
from logger.fleet.tables import TABLES

log = logging.getLogger(__name__)

MAX_ENTRY_BYTES = 256 * 1024
"""Maximum size of a file of the table `log`; `fleet add` writes 10 kB."""
MAX_UNPACKED_BYTES = 8 * MAX_ENTRY_BYTES
"""Maximum size of its row in memory; `fleet add` writes 3 kB."""
MAX_WORD_CHARS = 1000
"""Maximum length of an event's or a crew's name."""
MAX_LINES = 10
"""Skipped logs listed individually."""
MAX_STAGE, MAX_CAR = 2**15 - 1, 2**31 - 1
"""Maxima of the column types."""
_PLACE = re.compile(
    r"log/event=(?P<event>[a-z0-9-]{1,80})/stage=(?P<stage>\d{1,5})/car=(?P<car>\d{1,10})/[0-9a-f]{64}\.parquet",
    re.ASCII,
)
_IDENTITY = re.compile(r"[0-9a-f]{16}")
NO_EVENT = "none"
"""The event of a drive without an itinerary; its stage is 0."""


class Entry(NamedTuple):
    """A log of the store. The fields are the columns of the table `log` and of its folders."""

    log: str
    name: str
    identity: str
    rows: int
    size_bytes: int
    software: str
    event_name: str
    stage_name: str
    stage_date: str
    car_name: str
    car_class: str
    crew: str
    from_utc: datetime | None
    to_utc: datetime | None
    duration_s: float
    event: str
    stage: int
    car: int

    def path(self, table: str, below: str = "") -> str:
        """Path of its file in a table; `below` is a review's folder."""
        return f"{below}{table}/event={self.event}/stage={self.stage}/car={self.car}/{self.log}.parquet"

    @property
    def copy(self) -> str:
        """Path of the compressed log."""
        return f"logs/{self.log}.db.zst"

    def as_table(self) -> pa.Table:
        """Its row of the table `log`."""
        fields = self._asdict()
        return pa.Table.from_pylist(
            [{name: fields[name] for name in TABLES["log"].names}], schema=TABLES["log"]
        )


def entries(store: Store) -> list[Entry]:
    """List the logs of the store by event, stage, car and time. Invalid entries are logged as warnings and skipped."""
    valid, invalid = [], []
    for path in store.list("log/", ".parquet"):
        try:
            valid.append(_entry(store, path))
        except LogError as error:
            invalid.append(f"{printable(path)}: {error.what}")
    for line in invalid[:MAX_LINES]:
        log.warning("%s; this log is left out", line)
    if len(invalid) > MAX_LINES:
        log.warning("%d other logs of the store are left out", len(invalid) - MAX_LINES)
    return sorted(valid, key=order)


def stored(store: Store) -> list[Entry]:
    """`entries` of a store that is there. Raises ConfigurationError for a name without one, or a folder of others."""
    logs = entries(store)
    if not logs and store.is_folder:
        root = Path(store.root)
        content = {path.name for path in root.iterdir()} if root.is_dir() else None
        if content is None or (content and "log" not in content):
            what = "no such store" if content is None else "not a store: it has no table log"
            hint = "`stagelog fleet add LOGS --store STORE` makes one"
            raise ConfigurationError(what, where=store.shown, hint=hint)
    return logs


def _entry(store: Store, path: str) -> Entry:
    """Read and validate one row of the table `log`. Raises LogError if the file does not contain a valid one."""
    place = _PLACE.fullmatch(path)
    if place is None or not (int(place["stage"]) <= MAX_STAGE and int(place["car"]) <= MAX_CAR):
        raise LogError("not a path of `fleet add`: event, stage or car is malformed")
    with store.read(path) as stream:
        data = stream.read(MAX_ENTRY_BYTES + 1)
    try:
        file = parquet.ParquetFile(pa.BufferReader(data[:MAX_ENTRY_BYTES]))
        if (
            len(data) > MAX_ENTRY_BYTES
            or file.metadata.num_rows != 1
            or not file.schema_arrow.equals(TABLES["log"])
        ):
            raise LogError("not one row of the table log")
        require_bounded(io.BytesIO(data), file.metadata, 0, TABLES["log"].names, MAX_UNPACKED_BYTES)
        # Without Arrow's threads: one that still closes a file at exit crashes the program.
        (row,) = file.read(use_threads=False).to_pylist()
        entry = Entry(**row, event=place["event"], stage=int(place["stage"]), car=int(place["car"]))
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        what = error.what if isinstance(error, LogError) else f"cannot be read: {printable(error)}"
        raise LogError(what) from error
    if entry.path("log") != path:
        raise LogError("its path does not match its row")
    require_valid(entry)
    return entry


def require_valid(entry: Entry) -> None:
    """Raise LogError if an entry has an invalid name, identity, text or number."""
    words = (
        entry.software,
        entry.event_name,
        entry.stage_name,
        entry.stage_date,
        entry.car_name,
        entry.car_class,
    )
    if not is_file_name(entry.name):
        raise LogError(f"{printable(repr(entry.name))} is not a file name")
    if not (isinstance(entry.identity, str) and _IDENTITY.fullmatch(entry.identity)):
        raise LogError("its identity is malformed")
    if not all(isinstance(word, str) and len(word) <= MAX_WORD_CHARS for word in (*words, entry.crew)):
        raise LogError("one of its texts is missing or too long")
    numbers = (entry.rows, entry.size_bytes, entry.duration_s)
    if not all(number is not None and 0 <= number < math.inf for number in numbers):
        raise LogError("one of its numbers is missing or out of range")


def order(entry: Entry) -> tuple[str, int, int, float, str]:
    """Sort key of logs in lists and class tables: event, stage, car, begin."""
    began_s = 0.0 if entry.from_utc is None else entry.from_utc.timestamp()
    return entry.event, entry.stage, entry.car, began_s, entry.log


def select(logs: Iterable[Entry], event: str | None, stage: int | None, car: int | None) -> Iterator[Entry]:
    """Filter logs by event, stage and car; None matches all."""
    for entry in logs:
        if event in (None, entry.event) and stage in (None, entry.stage) and car in (None, entry.car):
            yield entry
