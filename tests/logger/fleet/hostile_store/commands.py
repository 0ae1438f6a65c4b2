"""What the commands of `fleet` answer on an untrusted store, and entries to put into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from logger.fleet.catalogue import entries
from logger.fleet.store import Store
from logger.fleet.tables import TABLES

SHA = "ab" * 32


class Ended(NamedTuple):
    code: int
    out: str
    err: list[str]


Verb = Callable[..., Ended]


def row_of(store: Path, number: int = 0) -> dict[str, Any]:
    """The row of the table `log` of one of the store's logs."""
    return entries(Store(str(store)))[number]._asdict()


def add_row(store: Path, **changes: Any) -> Path:
    """Add an entry like that of the first log, with changes, at the path that it names."""
    row = {**row_of(store), "log": SHA, **changes}
    path = store / f"log/event={row['event']}/stage={row['stage']}/car={row['car']}/{row['log']}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist([{n: row[n] for n in TABLES["log"].names}], TABLES["log"]), path)
    return path


def outside(store: Path) -> list[str]:
    """Files next to the store."""
    return sorted(
        str(path.relative_to(store.parent.parent))
        for path in store.parent.rglob("*")
        if store not in path.parents
    )
