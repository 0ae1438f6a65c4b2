"""F3: a corrupt state file stops the daemon.

Everything that the recorder finds on its disk from an earlier run and reads at its start, spoiled in turn: the log
and what SQLite keeps beside it, the state of the live computation in the log, and the live socket's place.
"""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from logger.recording.verify import verify
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    query,
    recording,
    stop,
    until,
    write_config,
)
from tests.figures import Figures

LOG = "test-3-001.db"
AGAIN = "once more"
"""The car's name in the second start's configuration, which the log keeps with its session."""
NOISE = random.Random(3).randbytes(9000)
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a recorder leaves that was cut off in mid-stage: log, WAL, shared memory, live socket."""
    folder = tmp_path_factory.mktemp("left")
    with NumberedBus() as bus:
        config = write_config(folder, bus.port, stage=3)
        config.write_text(config.read_text() + '[live]\nsocket = "live.sock"\n')
        with recording(config) as process:
            log = folder / "logs" / LOG
            until(has_rows(log, 1000), PATIENCE_S)
            until(lambda: bool(query(log, "SELECT 1 FROM meta WHERE key = 'state'")), PATIENCE_S)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
    assert sorted(path.name for path in log.parent.iterdir()) == [LOG, f"{LOG}-shm", f"{LOG}-wal"]
    return folder


def change_meta(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / "logs" / LOG)
    connection.execute(sql)
    connection.commit()
    connection.close()


def spoil(name: str, data: bytes) -> Callable[[Path], None]:
    def spoiled(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return spoiled


def socket_is(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def spoiled(folder: Path) -> None:
        (folder / "live.sock").unlink(missing_ok=True)
        make(folder / "live.sock")

    return spoiled


def half_made(folder: Path) -> None:
    """The power went while the blank file was made a log: SQLite's rollback journal is beside it, and is needed."""
    log, making = folder / "logs" / LOG, folder / "making.db"
    for left in log.parent.iterdir():
        left.unlink()
    connection = sqlite3.connect(making, isolation_level=None)
    for step in ("PRAGMA page_size = 1024", "PRAGMA cache_size = 1", "BEGIN", "CREATE TABLE half (made)"):
        connection.execute(step)
    connection.executemany("INSERT INTO half VALUES (zeroblob(900))", [()] * 50)  # more than stays in memory
    shutil.copy(making, log)
    shutil.copy(f"{making}-journal", f"{log}-journal")
    connection.close()
    assert log.stat().st_size > 0


STATES = ["", "{", "null", '{"boot_id":"x"}', '{"boot_id":1,"boot_us":"x","live":[]}']
SPOILED: dict[str, Callable[[Path], None]] = {
    "log is noise": spoil(f"logs/{LOG}", NOISE),
    "log is empty": spoil(f"logs/{LOG}", b""),
    "log is half made": half_made,
    "wal is noise": spoil(f"logs/{LOG}-wal", NOISE),
    "wal is empty": spoil(f"logs/{LOG}-wal", b""),
    "shared memory is noise": spoil(f"logs/{LOG}-shm", NOISE),
    "shared memory is empty": spoil(f"logs/{LOG}-shm", b""),
    "socket is a file": socket_is(lambda path: path.write_bytes(NOISE)),
    "socket is a folder": socket_is(lambda path: path.mkdir()),
    "socket points nowhere": socket_is(lambda path: path.symlink_to("nowhere/at/all")),
    "meta is empty": lambda folder: change_meta(folder, "DELETE FROM meta"),
    **{
        f"state is {text!r}": lambda folder, text=text: change_meta(  # type: ignore[misc]
            folder, f"UPDATE meta SET value = '{text}' WHERE key = 'state'"
        )
        for text in STATES
    },
    "state is a blob": lambda folder: change_meta(
        folder, "UPDATE meta SET value = x'00ff80' WHERE key = 'state'"
    ),
    "state is of another version": lambda folder: change_meta(
        folder,
        "UPDATE meta SET value = json_set(value, '$.live', json('{\"version\": 999, \"odometer\": []}'))"
        " WHERE key = 'state'",
    ),
}


def frames_since(log: Path) -> int:
    """Frames of the second start, whichever session of whichever log they are in."""
    sql = f"SELECT count(*) FROM frame JOIN session ON session.id = session WHERE config LIKE '%{AGAIN}%'"
    try:
        return int(str(query(log, sql)[0][0]))
    except sqlite3.Error:
        return 0


@pytest.mark.parametrize("how", SPOILED)
def test_f03_it_starts_and_records(tmp_path: Path, left: Path, how: str, figures: Figures) -> None:
    shutil.copytree(left, tmp_path, dirs_exist_ok=True, ignore=lambda _folder, _names: ["live.sock"])
    log = tmp_path / "logs" / LOG
    SPOILED[how](tmp_path)
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=3)
        config.write_text(config.read_text() + f'[live]\nsocket = "live.sock"\n[car]\nname = "{AGAIN}"\n')
        with recording(config) as process:
            took_s = until(lambda: frames_since(log) > 100, PATIENCE_S)
            said = stop(process)
    assert "Traceback" not in said, said
    assert verify(log) == []
    figures.tried("states, files and sockets spoiled, all started from")
    figures.measured("recording again after", took_s, "s")
