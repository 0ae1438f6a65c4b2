"""Add a log to the store: verify, identify, review by its own rules, and write its tables.

The process may be killed at any moment; a second run completes the files. Each file appears complete, under a name
derived from its log's SHA-256, and the row in the table `log`, without which a log does not count, is written last.

The store also keeps the compressed log itself. A review reads data that no table holds (link states, rules, texts,
rejected bytes), and a later review must run the same code on the same bytes: tables would be a second source of truth.
The log takes as much space as the tables, and is the evidence.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa

from firmware_bridge.errors import LogError, StagelogError
from firmware_bridge.printable import printable
from logger.boundary.file_names import within
from logger.boundary.os_errors import named
from logger.boundary.whole_file import require_room
from logger.fleet import tables
from logger.fleet.catalogue import Entry, entries
from logger.fleet.identity import entry_of, require_expected_car, same_recording
from logger.fleet.review_tables import document_tables
from logger.fleet.rows import LogRows
from logger.fleet.store import Store
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import report_of
from logger.logfile.border import open_log_readonly
from logger.logfile.connect import has_wal
from logger.logfile.verify import verify
from logger.review import json
from logger.transfer.snapshot import digest_of, snapshot

BLOCK_BYTES = 1024 * 1024
STREAMED = ("fix", "reading", "event", "progress")
Progress = Callable[[float], None]


class Outcome(NamedTuple):
    """Result of adding a log. `text` is the message; `new` is whether anything was written."""

    entry: Entry
    text: str
    new: bool


def added_entry(path: Path, outcome: Outcome | None, error: str | None = None) -> dict[str, Any]:
    """The entry of a log in the document of `fleet add --json`; without an outcome it has only the error."""
    entry = outcome.entry if outcome else None
    return {
        "log": entry.log if entry else None,
        "name": path.name,
        "path": str(path),
        "event": entry.event if entry else None,
        "stage": entry.stage if entry else None,
        "car": entry.car if entry else None,
        "added": outcome is not None and outcome.new,
        "outcome": outcome.text if outcome else None,
        "error": error,
    }


class Adder:
    """Adds logs to a store. `cars` are the accepted cars (empty for any); `frames` also adds the CAN frames."""

    def __init__(self, store: Store, cars: Collection[int] = (), *, frames: bool = False) -> None:
        self._store = store
        self._cars = frozenset(cars)
        self._tables = (*STREAMED, *tables.REVIEW_TABLES, *((tables.FRAME,) if frames else ()))
        self._known = {entry.log: entry for entry in entries(store)}

    def add(self, path: Path, progress: Progress = lambda _done: None) -> Outcome:
        """Add a log. Raises LogError if it is damaged or of an unexpected car; OSError."""
        with (
            named(self._store.shown),
            self._store.work_folder() as work_folder,
            _unchanging_copy(path, work_folder) as log,
        ):
            sha256 = digest_of(log, lambda done: progress(0.05 * done))
            entry = self._known.get(sha256) or entry_of(log, sha256)
            missing = [table for table in self._tables if not self._store.has(entry.path(table))]
            if sha256 in self._known and not missing:
                self._remove_shorter(entry)
                return Outcome(entry, "already in the store", new=False)
            require_expected_car(entry, path, self._known.values(), self._cars)
            if any(other.rows >= entry.rows for other in same_recording(entry, self._known.values())):
                return Outcome(entry, "skipped: the store has a longer copy", new=False)
            problems = verify(log, lambda done: progress(0.05 + 0.45 * done))
            if problems:
                hint = "run `stagelog verify` for details; the log is not added"
                raise LogError(f"damaged: {' '.join(problems[0].split())}", where=str(path), hint=hint)
            self._write(entry, log, missing, work_folder, lambda done: progress(0.5 + 0.5 * done))
        self._known[sha256] = entry
        replaced = self._remove_shorter(entry)
        return Outcome(entry, "added, replaces a shorter copy" if replaced else "added", new=True)

    def _write(
        self, entry: Entry, log: Path, missing: list[str], work_folder: Path, progress: Progress
    ) -> None:
        new_file = work_folder / "new"
        if not self._store.has(entry.copy):
            _compress(log, new_file, entry.log)
            self._store.place(new_file, entry.copy)
        progress(0.1)
        with open_evidence(log, ReviewOptions(), lambda done: progress(0.1 + 0.1 * done)) as (
            evidence,
            rules,
            connection,
        ):
            assert connection is not None  # noqa: S101 - a log has one
            report = report_of(evidence, rules, connection, is_drawn=False)
            progress(0.3)
            reviewed = document_tables(json.document(report), entry.log)
            rows = LogRows(connection, entry.log, report)
            for number, table in enumerate(missing):
                share = 0.7 / len(missing)

                def report_share(
                    done: float, first: float = 0.3 + number * share, share: float = share
                ) -> None:
                    progress(first + done * share)

                tables.write(
                    new_file,
                    table,
                    [reviewed[table]] if table in reviewed else rows.blocks(table, report_share),
                )
                self._store.place(new_file, entry.path(table))
        if entry.log not in self._known:
            tables.write(new_file, "log", [entry.as_table()])
            self._store.place(new_file, entry.path("log"))

    def _remove_shorter(self, entry: Entry) -> bool:
        """Remove shorter copies of a log that has grown, their rows in `log` first. Returns whether there were any."""
        shorter = [other for other in same_recording(entry, self._known.values()) if other.rows < entry.rows]
        for other in shorter:
            for table in ("log", *tables.TABLES):
                self._store.remove(other.path(table))
            self._store.remove(other.copy)
            del self._known[other.log]
        return bool(shorter)


@contextmanager
def _unchanging_copy(path: Path, work_folder: Path) -> Iterator[Path]:
    """Yield a log that does not change: the file itself, or a consistent copy if it has a write-ahead log.

    Raises LogError if it is not a log.
    """
    with open_log_readonly(path):
        pass  # fails early if the file is not a log
    if not has_wal(path):
        yield path
        return
    (work_folder / "copy").mkdir()
    yield snapshot(path, within(work_folder / "copy", path.name)).path


def _compress(log: Path, to: Path, sha256: str) -> None:
    """Compress a log. Raises LogError if it has changed since its SHA-256 was computed."""
    with log.open("rb") as source, pa.CompressedOutputStream(pa.OSFile(str(to), "wb"), "zstd") as copy:
        copied = _copy(source, copy)
    if copied != sha256:
        raise LogError("changed while it was added", where=str(log), hint="add it again")


def restore(store: Store, entry: Entry, folder: Path) -> Path:
    """Unpack a log into a local folder, under its own name. Raises LogError if it is not the log that was added."""
    hint = "remove it, and add the log again"
    path = within(folder, entry.name)
    require_room(folder, entry.size_bytes, entry.copy)
    try:
        with (
            store.read(entry.copy) as stream,
            pa.input_stream(stream, "zstd") as source,
            path.open("xb") as log,
        ):
            copied = _copy(source, log, entry.size_bytes)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, StagelogError) or getattr(error, "errno", None):
            raise
        # Arrow reports a decompression error as an OSError without a number.
        raise LogError(f"cannot be unpacked: {printable(error)}", where=entry.copy, hint=hint) from error
    if copied != entry.log:
        raise LogError("is not what was added", where=entry.copy, hint=hint)
    return path


def _copy(source: BinaryIO, to: BinaryIO, max_bytes: float = math.inf) -> str:
    """Copy a stream, up to one block beyond `max_bytes`. Returns the SHA-256 of the copy in hexadecimal."""
    hasher = hashlib.sha256()
    copied = 0
    while copied <= max_bytes and (block := source.read(BLOCK_BYTES)):
        hasher.update(block)
        to.write(block)
        copied += len(block)
    return hasher.hexdigest()
