"""Stores for the tests: their files and rows, forged logs, a store whose process is killed."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as datasets
from pyarrow import parquet

from logger.fleet import tables
from logger.fleet.catalogue import entries
from logger.fleet.store import INCOMING, Store

ALL = [name for name in tables.TABLES if name != tables.FRAME]


def files(store: Store) -> dict[str, tuple[str, str]]:
    """Every file of a store with its time and hash."""
    stored = {}
    for name in store.files.find(store.root):
        info = store.files.info(name)
        with store.files.open(name, "rb") as file:
            stored[name] = (
                str(info.get("mtime") or info.get("created")),
                hashlib.sha256(file.read()).hexdigest(),
            )
    return stored


def rows(store: Store, table: str) -> pa.Table:
    """Read a table as another program does: all its files, Hive partitioning."""
    return datasets.dataset(
        store.full(table), format="parquet", partitioning="hive", filesystem=store.files
    ).to_table()


def forged(log: Path, to: Path, *statements: str) -> Path:
    """Copy a log and change it with SQL statements."""
    shutil.copy(log, to)
    connection = sqlite3.connect(to)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return to


def assert_consistent(store: Store) -> None:
    """Assert that every file can be read completely, and that every log named in `log` is complete."""
    for name in store.files.find(store.root):
        if name.endswith(".parquet") and f"/{INCOMING}/" not in name:
            with store.files.open(name, "rb") as file:
                parquet.read_table(file)
    for entry in entries(store):
        assert all(store.has(entry.path(table)) for table in ALL)
        assert store.has(entry.copy)


def killing(after: int, how: Callable[[], None]) -> type[Store]:
    """A Store class whose process dies after `after` files, just before or just after placing one."""

    class Killing(Store):
        placed = 0

        def place(self, new_file: Path, path: str) -> None:
            if Killing.placed * 2 == after:
                how()
            super().place(new_file, path)
            if Killing.placed * 2 + 1 == after:
                how()
            Killing.placed += 1

    return Killing


KILLED = """
import os, signal, sys
from pathlib import Path
from logger.fleet.add import Adder
from tests.logger.fleet.stores import killing
store = killing(int(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGKILL))(sys.argv[2])
for log in sys.argv[3:]:
    Adder(store).add(Path(log))
"""
