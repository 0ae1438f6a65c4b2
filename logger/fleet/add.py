"""A log into the store: verified, told apart, reviewed once by its own rules, and written table by table.

A kill at any moment does no harm, and a second run completes what is missing: each file gets its place whole, under a
name that its log's SHA-256 gives it, and the row in the table `log`, without which a log does not count, comes last.

The log itself is kept too, compressed. The review reads what no table holds (the state of links, the rules, the
texts, the wire's damage), and judging it again must be the very same code on the very same bytes: a table would be a
second source of the truth. It costs as much room as the tables, and is the evidence.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

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
from logger.logfile.border import has_wal, open_log_readonly
from logger.logfile.verify import verify
from logger.review import json
from logger.review.open_evidence import ReviewOptions, open_evidence
from logger.review.report import report_of
from logger.transfer.snapshot import digest_of, snapshot

BLOCK_BYTES = 1024 * 1024
STREAMED = ("fix", "reading", "event", "progress")
Progress = Callable[[float], None]


class Outcome(NamedTuple):
    """What became of a log, in words; `new` is whether anything was written."""

    entry: Entry
    text: str
    new: bool


class Adder:
    """Adds logs to a store. `cars` are those that are expected (none for any); `frames` asks for the frames too."""

    def __init__(self, store: Store, cars: Collection[int] = (), *, frames: bool = False) -> None:
        self._store = store
        self._cars = frozenset(cars)
        self._tables = (*STREAMED, *tables.REVIEW_TABLES, *((tables.FRAME,) if frames else ()))
        self._known = {entry.log: entry for entry in entries(store)}

    def add(self, path: Path, progress: Progress = lambda _done: None) -> Outcome:
        """Take a log. Raises LogError when it is damaged, or not of the car that it should be; OSError."""
        with (
            named(self._store.shown),
            self._store.work_folder() as work_folder,
            _unchanging_copy(path, work_folder) as log,
        ):
            sha256 = digest_of(log, lambda done: progress(0.05 * done))
            entry = self._known.get(sha256) or entry_of(log, sha256)
            missing = [table for table in self._tables if not self._store.has(entry.path(table))]
            if sha256 in self._known and not missing:
                self._forget_shorter(entry)
                return Outcome(entry, "is there already", new=False)
            require_expected_car(entry, path, self._known.values(), self._cars)
            if any(other.rows >= entry.rows for other in same_recording(entry, self._known.values())):
                return Outcome(entry, "goes less far than the copy that is there", new=False)
            problems = verify(log, lambda done: progress(0.05 + 0.45 * done))
            if problems:
                hint = "`stagelog verify` says more; it is not taken"
                raise LogError(f"damaged: {' '.join(problems[0].split())}", where=str(path), hint=hint)
            self._write(entry, log, missing, work_folder, lambda done: progress(0.5 + 0.5 * done))
        self._known[sha256] = entry
        grown = self._forget_shorter(entry)
        return Outcome(entry, "added, grown" if grown else "added", new=True)

    def _write(
        self, entry: Entry, log: Path, missing: list[str], work_folder: Path, progress: Progress
    ) -> None:
        made = work_folder / "made"
        if not self._store.has(entry.copy):
            _compress(log, made, entry.log)
            self._store.place(made, entry.copy)
        progress(0.1)
        with open_evidence(log, ReviewOptions(), lambda done: progress(0.1 + 0.1 * done)) as (
            evidence,
            rules,
            connection,
        ):
            assert connection is not None  # noqa: S101 - a log has one
            report = report_of(evidence, rules, connection)
            progress(0.3)
            judged = document_tables(json.document(report), entry.log)
            rows = LogRows(connection, entry.log, report)
            for number, table in enumerate(missing):
                share = 0.7 / len(missing)

                def told(done: float, first: float = 0.3 + number * share, share: float = share) -> None:
                    progress(first + done * share)

                tables.write(made, table, [judged[table]] if table in judged else rows.blocks(table, told))
                self._store.place(made, entry.path(table))
        if entry.log not in self._known:
            tables.write(made, "log", [entry.as_table()])
            self._store.place(made, entry.path("log"))

    def _forget_shorter(self, entry: Entry) -> bool:
        """Remove the copies from before a log grew, their rows in `log` first. Returns whether there were any."""
        shorter = [other for other in same_recording(entry, self._known.values()) if other.rows < entry.rows]
        for other in shorter:
            for table in ("log", *tables.TABLES):
                self._store.remove(other.path(table))
            self._store.remove(other.copy)
            del self._known[other.log]
        return bool(shorter)


@contextmanager
def _unchanging_copy(path: Path, work_folder: Path) -> Iterator[Path]:
    """A log that nobody writes: the file itself, or a consistent copy of one that has a write-ahead log.

    Raises LogError when it is no log.
    """
    with open_log_readonly(path):
        pass  # what is no log at all is told of before anything is done
    if not has_wal(path):
        yield path
        return
    (work_folder / "still").mkdir()
    yield snapshot(path, within(work_folder / "still", path.name)).path


def _compress(log: Path, to: Path, sha256: str) -> None:
    """Raises LogError when the log is another one by now."""
    with log.open("rb") as source, pa.CompressedOutputStream(pa.OSFile(str(to), "wb"), "zstd") as copy:
        copied = _copy(source, copy)
    if copied != sha256:
        raise LogError("changed while it was added", where=str(log), hint="add it again")


def restore(store: Store, entry: Entry, folder: Path) -> Path:
    """The log as it was added, under its own name in a local folder. Raises LogError when it is not what was added."""
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
        # What Arrow says of the packing is an OSError without a number.
        raise LogError(f"cannot be unpacked: {printable(error)}", where=entry.copy, hint=hint) from error
    if copied != entry.log:
        raise LogError("is not what was added", where=entry.copy, hint=hint)
    return path


def _copy(source: BinaryIO, to: BinaryIO, most_bytes: float = math.inf) -> str:
    """Copy one stream to another; the SHA-256, in hexadecimal, of what went through: one block beyond `most_bytes`."""
    hasher = hashlib.sha256()
    copied = 0
    while copied <= most_bytes and (block := source.read(BLOCK_BYTES)):
        hasher.update(block)
        to.write(block)
        copied += len(block)
    return hasher.hexdigest()
