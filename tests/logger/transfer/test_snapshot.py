"""A copy of a log is the log at one moment, whatever happens to it, and never delays the recorder."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from firmware_bridge.errors import LogError
from logger.logfile.store import Log
from logger.logfile.verify import verify
from logger.transfer import copying
from logger.transfer.snapshot import snapshot
from logger.transfer.state import state_of
from tests.logger.command_line import ROOT
from tests.logger.transfer.logs_made import being_recorded, closed, content, rows

WAYS = pytest.mark.parametrize("max_wal_bytes", [copying.MAX_WAL_BYTES, 0], ids=["pages", "rows"])


BESIDE = 8
"""Rows of a test log besides its numbered frames."""


class CancelledError(Exception):
    """The caller has gone."""


def test_a_closed_log_is_copied_byte_for_byte(tmp_path: Path) -> None:
    log = closed(tmp_path / "a-001.db")
    taken = snapshot(log, tmp_path / "copy")
    assert taken.path.read_bytes() == log.read_bytes()
    assert taken.sha256 == hashlib.sha256(log.read_bytes()).hexdigest()
    assert taken.size == log.stat().st_size
    assert taken.state == state_of(log)


def test_a_damaged_closed_log_is_copied_with_its_damage(tmp_path: Path) -> None:
    log = closed(tmp_path / "a-001.db")
    log.write_bytes(os.urandom(100) + log.read_bytes()[100:])
    taken = snapshot(log, tmp_path / "copy")
    assert taken.path.read_bytes() == log.read_bytes()
    assert taken.state is None


@WAYS
def test_a_log_that_is_being_recorded_is_copied_whole(
    tmp_path: Path, max_wal_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MAX_WAL_BYTES", max_wal_bytes)
    with being_recorded(tmp_path / "a-001.db", 30_000) as log:
        before = content(log.path)
        taken = snapshot(log.path, tmp_path / "copy")
        assert content(taken.path) == before
        assert verify(taken.path) == []
        assert taken.state == state_of(log.path)
        assert taken.sha256 == hashlib.sha256(taken.path.read_bytes()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-001.db", "copy"]


def write_on(log: Log, stop: threading.Event, commits: list[int]) -> None:
    """Commit numbered frames as fast as possible."""
    while not stop.is_set():
        log.write(rows(200, 3000 + 200 * len(commits)))
        log.commit()
        commits.append(200)


@WAYS
def test_a_commit_during_the_copy_is_in_it_whole_or_not_at_all(
    tmp_path: Path, max_wal_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MAX_WAL_BYTES", max_wal_bytes)
    monkeypatch.setattr(copying, "FIRST_ROWS", 50)
    monkeypatch.setattr(copying, "HOLD_S", 0.0005)
    stop, commits = threading.Event(), list[int]()
    with being_recorded(tmp_path / "a-001.db") as log:
        writing = threading.Thread(target=write_on, args=(log, stop, commits))
        writing.start()
        added = False
        try:
            for number in count():
                most = len(commits)
                taken = snapshot(log.path, tmp_path / f"copy-{number}")
                added = added or len(commits) > most
                assert taken.state is not None
                frames = taken.state.rows - BESIDE
                assert (frames - 3000) % 200 == 0, "a commit is whole"
                assert frames >= 3000 + 200 * most, "what was committed before is in it"
                assert verify(taken.path) == []
                if added and number >= 4:  # a slow disk commits less often than it copies
                    break
        finally:
            stop.set()
            writing.join()


def test_a_copy_by_rows_lets_the_write_ahead_log_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F16 without a process: between slices no reader holds the log, so its WAL stays short."""
    monkeypatch.setattr(copying, "MAX_WAL_BYTES", 0)
    monkeypatch.setattr(copying, "_next_slice_rows", lambda *_: 500)
    longest = 0
    with being_recorded(tmp_path / "a-001.db", 20_000) as log:
        wal = tmp_path / "a-001.db-wal"
        written = 0

        def meanwhile(_done: float) -> None:
            nonlocal longest, written
            log.write(rows(10_000, 20_000 + written))
            log.commit()
            written += 10_000
            longest = max(longest, wal.stat().st_size)

        taken = snapshot(log.path, tmp_path / "copy", meanwhile)
        assert len(content(taken.path)["frame"]) == 20_003
        assert written * 30 > 2 * longest, "far more was written than the WAL ever held"
    assert longest < 2 * copying.MAX_WAL_BYTES + 6_000_000
    assert verify(tmp_path / "copy") == []


@WAYS
@pytest.mark.parametrize("recording", [True, False])
def test_a_cancelled_copy_leaves_nothing(
    tmp_path: Path, max_wal_bytes: int, recording: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MAX_WAL_BYTES", max_wal_bytes)

    def enough(done: float) -> None:
        if done > 0.3:
            raise CancelledError

    with being_recorded(tmp_path / "a-001.db", 20_000) as log:
        path = log.path if recording else closed(tmp_path / "b-001.db", 20_000)
        with pytest.raises(CancelledError):
            snapshot(path, tmp_path / "copy", enough)
    assert not (tmp_path / "copy").exists()


def test_a_file_that_is_not_a_log_is_refused(tmp_path: Path) -> None:
    import sqlite3

    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("CREATE TABLE frame (x)")
    with pytest.raises(LogError, match="not a stagelog log"):
        snapshot(tmp_path / "a.db", tmp_path / "copy")
    other.close()
    with pytest.raises(OSError, match="No such file"):
        snapshot(tmp_path / "missing.db", tmp_path / "copy")


def test_a_full_disk_is_reported_and_nothing_is_left(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    log = closed(tmp_path / "a-001.db")
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        snapshot(log, full)
    assert not full.is_symlink()
    assert Path("/dev/full").is_char_device()


AS_OTHER_USER = """
import os, sys
from pathlib import Path
from logger.logfile.verify import verify
from logger.transfer import copying
from logger.transfer.snapshot import snapshot
log, to = Path(sys.argv[1]), Path(sys.argv[2])
verify(log)  # late imports must run while the modules are still readable
os.setgroups([]); os.setgid(4321); os.setuid(4322)
try:
    (log.parent / "x").write_text("")
except PermissionError:
    pass
else:
    sys.exit("this user can write the logs: nothing would be shown")
copying.MAX_WAL_BYTES = int(sys.argv[3])
taken = snapshot(log, to)
print(taken.state.rows, verify(taken.path))
"""


def copied_by_other_user(place: Path, log: Path, max_wal_bytes: int) -> str:
    """The copy made by another user, who is in the group but does not own the logs' directory."""
    for path in (log.parent, *log.parent.iterdir()):
        os.chown(path, 0, 4321)
    (place / "state").mkdir()
    os.chown(place / "state", 4322, 4321)
    command = [
        sys.executable,
        "-c",
        AS_OTHER_USER,
        str(log),
        str(place / "state" / "copy"),
        str(max_wal_bytes),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True, check=False, umask=0o077
    )
    return done.stdout + done.stderr


@WAYS
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_crew_servers_user_can_copy_with_read_access_only(max_wal_bytes: int) -> None:
    mask = os.umask(0o027)
    try:
        with tempfile.TemporaryDirectory(prefix="stagelog-test-") as folder:  # pytest's own are root's alone
            place = Path(folder)
            place.chmod(0o755)
            with being_recorded(place / "logs" / "a-001.db") as log:
                assert copied_by_other_user(place, log.path, max_wal_bytes) == f"{3000 + BESIDE} []\n"
            shutil.rmtree(place / "state")
            assert copied_by_other_user(place, log.path, max_wal_bytes) == f"{3000 + BESIDE} []\n"
    finally:
        os.umask(mask)


def test_the_error_about_a_hostile_schema_is_printable(tmp_path: Path) -> None:
    """SQLite quotes the name of the broken table: here it sets a terminal's title."""
    log = tmp_path / "a.db"
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE a (x)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET name = ?, sql = 'CREATE TABLE ('", ("\x1b]0;owned\x07",))
        connection.execute("PRAGMA schema_version = 9")
        with pytest.raises(LogError) as raised:
            snapshot(log, tmp_path / "copy.db")
    assert "malformed" in raised.value.what
    assert str(raised.value).isprintable()
