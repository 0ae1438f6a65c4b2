"""A log written in bulk gets its name when it is complete; every failure leaves nothing behind."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.errors import LogError
from logger.logfile.bulk_log import BulkLog
from logger.logfile.verify import verify
from tests.field_failures.recorder_process import numbers, query
from tests.logger.logfile.rows_made import META, START, drive, frames

MANY = 60_000
"""Frames: more than one write to the disk."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_everything_is_in_it_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.db"
    with BulkLog(path) as log:
        log.begin_session(START, META)
        log.put(drive())
        log.put(frames(MANY, first=3))
        log.begin_session(START, META)
        log.put(frames(10))
        assert not path.exists()
    assert names(path.parent) == ["a.db"]
    assert verify(path) == []
    assert numbers(path) == [*range(MANY + 3), *range(10)]
    assert query(path, "SELECT session, count(*) FROM frame GROUP BY session") == [(1, MANY + 3), (2, 10)]


def test_an_interrupted_one_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with BulkLog(tmp_path / "a.db") as log:
            log.begin_session(START, META)
            log.put(frames(MANY))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == []


def test_leftovers_of_an_interrupted_log_do_not_block_the_next(tmp_path: Path) -> None:
    (tmp_path / "a.db.part").write_bytes(b"half a log")
    with BulkLog(tmp_path / "a.db") as log:
        log.begin_session(START, META)
    assert names(tmp_path) == ["a.db"]
    assert verify(tmp_path / "a.db") == []


def test_an_existing_log_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"the only copy")
    with pytest.raises(LogError, match="a log with this name exists"):
        BulkLog(tmp_path / "a.db")
    assert (tmp_path / "a.db").read_bytes() == b"the only copy"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size`: to SQLite, the same as a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 4096, 60_000, 500_000, 1_500_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, size: int) -> None:
    def write() -> None:
        with BulkLog(tmp_path / "a.db") as log:
            log.begin_session(START, META)
            log.put(drive())
            log.put(frames(MANY))

    with largest_file(size), pytest.raises(LogError) as caught:
        write()
    assert "\n" not in str(caught.value)
    assert "a.db: cannot be written" in str(caught.value)
    assert "free space" in str(caught.value)
    assert names(tmp_path) == []
