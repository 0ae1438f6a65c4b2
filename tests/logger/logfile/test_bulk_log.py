"""A log made in one go: it gets its name when it is whole, and whatever goes wrong leaves nothing behind."""

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
"""Frames: more than one stride to the disk."""


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


def test_what_an_interrupted_one_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "a.db.part").write_bytes(b"half a log")
    with BulkLog(tmp_path / "a.db") as log:
        log.begin_session(START, META)
    assert names(tmp_path) == ["a.db"]
    assert verify(tmp_path / "a.db") == []


def test_a_log_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"the only copy")
    with pytest.raises(LogError, match="there is a log already"):
        BulkLog(tmp_path / "a.db")
    assert (tmp_path / "a.db").read_bytes() == b"the only copy"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size`: what a full disk is to SQLite, without one."""
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
