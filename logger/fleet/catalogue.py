"""Which logs are in a store: the rows of its table `log`, and where each log's files are."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as datasets
from pyarrow import parquet

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from logger.boundary.file_names import is_file_name
from logger.fleet.store import Store
from logger.fleet.tables import PARTITIONS, TABLES

log = logging.getLogger(__name__)

MOST_ENTRY_BYTES = 256 * 1024
"""A file of the table `log`; ours have 10 kB."""
MOST_WORD_CHARS = 1000
"""A name of an event or a crew."""
MOST_LINES = 10
"""Logs that are left out and named."""
MOST_STAGE, MOST_CAR = 2**15 - 1, 2**31 - 1
"""What the columns take."""
_PLACE = re.compile(
    r"log/event=(?P<event>[a-z0-9-]{1,80})/stage=(?P<stage>\d{1,5})/car=(?P<car>\d{1,10})/[0-9a-f]{64}\.parquet",
    re.ASCII,
)
_IDENTITY = re.compile(r"[0-9a-f]{16}")
NO_EVENT = "none"
"""The event of a drive without an itinerary; its stage is 0."""


class Entry(NamedTuple):
    """A log of the store. The fields are the columns of the tables `log`, and of the folders."""

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

    @property
    def words(self) -> str:
        """Which one it is, for people."""
        return f"{self.name} (car {self.car}, {self.event} stage {self.stage})"

    def path(self, table: str, below: str = "") -> str:
        """Where its file of a table is; `below` is a review's folder."""
        return f"{below}{table}/event={self.event}/stage={self.stage}/car={self.car}/{self.log}.parquet"

    @property
    def copy(self) -> str:
        """Where the log itself is."""
        return f"logs/{self.log}.db.zst"

    def as_table(self) -> pa.Table:
        """Its row of the table `log`."""
        said = self._asdict()
        return pa.Table.from_pylist(
            [{name: said[name] for name in TABLES["log"].names}], schema=TABLES["log"]
        )


def entries(store: Store) -> list[Entry]:
    """Every log of the store, by event, stage, car and time. One that cannot be is a line of the program's own log."""
    found, bad = [], []
    for path in store.list("log/", ".parquet"):
        try:
            found.append(_entry(store, path))
        except LogError as error:
            bad.append(f"{printable(path)}: {error.what}")
    for line in bad[:MOST_LINES]:
        log.warning("%s; this log is left out", line)
    if len(bad) > MOST_LINES:
        log.warning("%d other logs of the store are left out", len(bad) - MOST_LINES)
    return sorted(found, key=order)


def _entry(store: Store, path: str) -> Entry:
    """One row of the table `log`, of which everything is checked. Raises LogError for a file that has none."""
    place = _PLACE.fullmatch(path)
    if place is None or not (int(place["stage"]) <= MOST_STAGE and int(place["car"]) <= MOST_CAR):
        raise LogError("no place of a log: event, stage and car are not as `fleet add` names them")
    with store.read(path) as stream:
        data = stream.read(MOST_ENTRY_BYTES + 1)
    try:
        file = parquet.ParquetFile(pa.BufferReader(data[:MOST_ENTRY_BYTES]))
        if (
            len(data) > MOST_ENTRY_BYTES
            or file.metadata.num_rows != 1
            or not file.schema_arrow.equals(TABLES["log"])
        ):
            raise LogError("not one row of the table log")
        # By this thread alone: one of Arrow's that still closes a file when the program ends takes it down.
        (row,) = file.read(use_threads=False).to_pylist()
        entry = Entry(**row, event=place["event"], stage=int(place["stage"]), car=int(place["car"]))
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError) as error:
        what = error.what if isinstance(error, LogError) else f"cannot be read: {printable(error)}"
        raise LogError(what) from error
    if entry.path("log") != path:
        raise LogError("its place is another log's")
    require_valid(entry)
    return entry


def require_valid(entry: Entry) -> None:
    """Raise LogError for an entry that the rest of the program cannot rely on."""
    words = (
        entry.software,
        entry.event_name,
        entry.stage_name,
        entry.stage_date,
        entry.car_name,
        entry.car_class,
    )
    if not is_file_name(entry.name):
        raise LogError(f"{printable(repr(entry.name))} is not a file's name")
    if not (isinstance(entry.identity, str) and _IDENTITY.fullmatch(entry.identity)):
        raise LogError("its identity is none")
    if not all(isinstance(word, str) and len(word) <= MOST_WORD_CHARS for word in (*words, entry.crew)):
        raise LogError("a text of it is missing or too long")
    numbers = (entry.rows, entry.size_bytes, entry.duration_s)
    if not all(number is not None and 0 <= number < math.inf for number in numbers):
        raise LogError("a number of it is missing or out of range")


def order(entry: Entry) -> tuple[str, int, int, float, str]:
    """How logs are listed, and which of two counts first in a class table."""
    began_s = 0.0 if entry.from_utc is None else entry.from_utc.timestamp()
    return entry.event, entry.stage, entry.car, began_s, entry.log


def select(found: Iterable[Entry], event: str | None, stage: int | None, car: int | None) -> Iterator[Entry]:
    """Those of an event, a stage, a car."""
    for entry in found:
        if event in (None, entry.event) and stage in (None, entry.stage) and car in (None, entry.car):
            yield entry


def dataset(store: Store, table: str, paths: Sequence[str], below: str = "") -> datasets.Dataset:
    """Files of a table as one Arrow dataset, with event, stage and car from the names of their folders."""
    schema = TABLES[table]
    for field in PARTITIONS:
        schema = schema.append(field)
    return datasets.dataset(
        [store.full(path) for path in paths],
        schema=schema,
        format="parquet",
        filesystem=store.for_arrow,
        partitioning=datasets.partitioning(PARTITIONS, flavor="hive"),
        partition_base_dir=store.full(f"{below}{table}"),
    )
