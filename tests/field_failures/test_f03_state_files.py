"""F3: a corrupt state file stops the daemon.

Each file that an earlier run leaves and the recorder reads at its start is damaged in turn: the log and SQLite's files
beside it, the state of the live computation in the log, the lists of removed and delivered logs, the live socket.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.records import Fix
from logger.live.document import document
from logger.logfile.verify import verify
from logger.recorder.stage_files import stage_of
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
from tests.logger.recorder.driving import START_S, built_in, short_stage

LOG = "test-3-001.db"
AGAIN = "once more"
"""The car's name in the configuration of the second start, which the log stores with the session."""
NOISE = random.Random(3).randbytes(9000)
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a recorder that was killed during a stage: log, WAL, shared memory, live socket."""
    folder = tmp_path_factory.mktemp("cut-off")
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
    """The power was cut during the creation of the log: SQLite needs the rollback journal beside it."""
    log, making = folder / "logs" / LOG, folder / "making.db"
    for left in log.parent.iterdir():
        left.unlink()
    connection = sqlite3.connect(making, isolation_level=None)
    for step in ("PRAGMA page_size = 1024", "PRAGMA cache_size = 1", "BEGIN", "CREATE TABLE half (made)"):
        connection.execute(step)
    connection.executemany(
        "INSERT INTO half VALUES (zeroblob(900))", [()] * 50
    )  # more than the page cache holds
    shutil.copy(making, log)
    shutil.copy(f"{making}-journal", f"{log}-journal")
    connection.close()
    assert log.stat().st_size > 0


def state_has(path: str, value: str) -> Callable[[Path], None]:
    """Replace one value of the state, given by its SQLite JSON path."""

    def spoiled(folder: Path) -> None:
        mark = "to be replaced"
        change_meta(
            folder,
            f"UPDATE meta SET value = replace(json_replace(value, '{path}', '{mark}'), '\"{mark}\"', '{value}')"
            " WHERE key = 'state'",
        )
        assert query(folder / "logs" / LOG, f"SELECT 1 FROM meta WHERE value LIKE '%{value}%'")

    return spoiled


def instead_of_the_log(name: str, data: bytes) -> Callable[[Path], None]:
    """Delete the log; only the list of removed logs is left."""

    def spoiled(folder: Path) -> None:
        for left in (folder / "logs").iterdir():
            left.unlink()
        (folder / "logs" / name).write_bytes(data)

    return spoiled


DEEP = "[" * 200_000
NOTES = {
    "noise": NOISE,
    "deep": DEEP.encode(),
    "of wrong types": b'7\n[]\n{"log": 7}\n{"name": 7}\n{"log": "test-3-%s.db"}' % (b"9" * 5000),
    "a lone surrogate": b'{"log": "\\ud800", "name": "\\ud800"}',
    "an invalid file name": b'{"log": "\\u0000", "name": "\\u0000"}',
}
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
    "state is invalid text": lambda folder: change_meta(
        folder, "UPDATE meta SET value = CAST(x'7bff80' AS TEXT) WHERE key = 'state'"
    ),
    "state is deep": lambda folder: change_meta(
        folder, f"UPDATE meta SET value = '{DEEP}' WHERE key = 'state'"
    ),
    "state is deep within the limit": state_has("$.live", "[" * 900 + "]" * 900),
    "power-on is infinite": state_has("$.boot_us", "1e999"),
    "power-on is in the future": state_has("$.boot_us", "4611686018427387903"),
    "metres are NaN": state_has("$.live[2][0]", "NaN"),
    "latitude is infinite": state_has("$.live[2][4]", "[1,1.0,[1e334,42.0],1]"),
    "trip is too long": state_has("$.live[4][0][0]", "1e308"),
    "alarm is a lone surrogate": state_has("$.live[5]", '[["\\ud800",0,true,false]]'),
    **{f"delivered.jsonl is {how}": spoil("logs/delivered.jsonl", data) for how, data in NOTES.items()},
    **{f"removed.jsonl is {how}": instead_of_the_log("removed.jsonl", data) for how, data in NOTES.items()},
    "delivered.jsonl is a folder": lambda folder: (folder / "logs" / "delivered.jsonl").mkdir(),
    "state is of another version": lambda folder: change_meta(
        folder,
        "UPDATE meta SET value = json_set(value, '$.live', json('{\"version\": 999, \"odometer\": []}'))"
        " WHERE key = 'state'",
    ),
}


def frames_since(log: Path) -> int:
    """Number of frames in the log that the second start has recorded."""
    sql = f"SELECT count(*) FROM frame JOIN session ON session.id = session WHERE config LIKE '%{AGAIN}%'"
    try:
        return int(str(query(log, sql)[0][0]))
    except sqlite3.Error:
        return 0


@pytest.mark.parametrize("how", SPOILED)
def test_f03_with_a_damaged_file_the_recorder_starts_and_records(
    tmp_path: Path, cut_off: Path, how: str, figures: Figures
) -> None:
    shutil.copytree(cut_off, tmp_path, dirs_exist_ok=True, ignore=lambda _folder, _names: ["live.sock"])
    log = tmp_path / "logs" / LOG
    SPOILED[how](tmp_path)
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=3)
        config.write_text(config.read_text() + f'[live]\nsocket = "live.sock"\n[car]\nname = "{AGAIN}"\n')
        with recording(config) as process:
            took_s = until(lambda: frames_since(log) > 100, PATIENCE_S)
            output = stop(process)
    assert "Traceback" not in output, output
    assert verify(log) == []
    figures.tried("damaged states, files and sockets, all started with")
    figures.measured("start to recording with damaged files", took_s, "s")


class Drive:
    """The live computation on a stage with fixes at 5 Hz, called as the recorder calls it."""

    def __init__(self) -> None:
        self.live = stage_of(short_stage(), "a stage").live("Stock")

    def drive(self, from_s: float, to_s: float, zero_s: float) -> None:
        """Drive from `from_s` to `to_s`, in a session that began at `zero_s`."""
        built_in_drive = built_in()[2]
        for tick in range(int(from_s * 5), int(to_s * 5)):
            at_s, t_us = START_S + tick / 5, int(tick * 200_000 - zero_s * 1e6)
            car = built_in_drive.at(at_s)
            utc_us = int((built_in_drive.utc_s + at_s) * 1e6)
            self.live.fix(Fix(t_us, utc_us, car.lat, car.lon, 600.0, car.speed_mps, 0.0, 1, 9, 0.9))
            self.live.tick(t_us)
            documents = [self.live.progress_row(t_us), document(self.live.snapshot(t_us)), self.live.state()]
            json.dumps([*documents, *self.live.take_events()], allow_nan=False, ensure_ascii=False).encode()


def leaves(state: Any, place: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Positions of the values in a state that are not lists."""
    if not isinstance(state, list):
        yield place
        return
    for at, value in enumerate(state):
        yield from leaves(value, (*place, at))


def replaced(state: Any, place: tuple[int, ...], value: object) -> Any:
    if not place:
        return value
    return [replaced(item, place[1:], value) if at == place[0] else item for at, item in enumerate(state)]


WILD: tuple[object, ...] = (
    math.inf,
    -math.inf,
    math.nan,
    1e308,
    -1e9,
    1 << 61,
    -(1 << 61),
    -(10**16),
    "\ud800",
    None,
    [],
)


def test_f03_with_any_damaged_value_of_the_state_the_drive_continues(figures: Figures) -> None:
    """The state is refused, or a drive with it neither raises nor hangs, and its documents are valid JSON."""
    before = Drive()
    before.drive(0.0, 9.0, 0.0)  # within the speed zone, and too fast
    state = before.live.state()
    places = list(leaves(state))
    assert state[-1] is not None, "an over-speed is going on"
    refused = 0
    for place in places:
        for value in WILD:
            after = Drive()
            refused += not after.live.restore(replaced(state, place, value), 1.0)
            after.drive(10.0, 10.6, 10.0)
            after.live.finish()
    assert Drive().live.restore(state, 1.0)
    assert refused > len(places)
    figures.tried("damaged values of a saved state, each refused or driven with", len(places) * len(WILD))
