"""Which logs are in a store: the rows of its table `log`, and where each log's files are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa
import pyarrow.dataset as datasets

from logger.fleet.store import Store
from logger.fleet.tables import PARTITIONS, TABLES

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
    """Every log of the store, by event, stage, car and time."""
    listed = dataset(store, "log", store.list("log/", ".parquet"))
    # By this thread alone: one of Arrow's that still closes a file when the program ends takes it down.
    found = [Entry(**row) for row in listed.to_table(use_threads=False).to_pylist()]
    return sorted(found, key=order)


def order(entry: Entry) -> tuple[str, int, int, float, str]:
    """How logs are listed, and which of two counts first in a class table."""
    began_s = 0.0 if entry.from_utc is None else entry.from_utc.timestamp()
    return entry.event, entry.stage, entry.car, began_s, entry.log


def chosen(found: Iterable[Entry], event: str | None, stage: int | None, car: int | None) -> Iterator[Entry]:
    """Those of an event, a stage, a car."""
    for entry in found:
        if event in (None, entry.event) and stage in (None, entry.stage) and car in (None, entry.car):
            yield entry


def dataset(store: Store, table: str, paths: list[str], below: str = "") -> datasets.Dataset:
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
