"""F3: a corrupt state file stops the daemon.

Everything that the recorder finds on its disk from an earlier run and reads at its start, spoiled in turn: the log
and what SQLite keeps beside it, the state of the live computation in the log, the notes of logs that were removed or
delivered, and the live socket's place.
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
from logger.recorder.setup import stage_of
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


def state_has(path: str, value: str) -> Callable[[Path], None]:
    """One value of a state that is otherwise as it was left, by SQLite's JSON path."""

    def spoiled(folder: Path) -> None:
        mark = "to be replaced"
        change_meta(
            folder,
            f"UPDATE meta SET value = replace(json_replace(value, '{path}', '{mark}'), '\"{mark}\"', '{value}')"
            " WHERE key = 'state'",
        )
        assert query(folder / "logs" / LOG, f"SELECT 1 FROM meta WHERE value LIKE '%{value}%'")

    return spoiled


def in_place_of_the_log(name: str, data: bytes) -> Callable[[Path], None]:
    """The log had to go, and a note of it is all that is there."""

    def spoiled(folder: Path) -> None:
        for left in (folder / "logs").iterdir():
            left.unlink()
        (folder / "logs" / name).write_bytes(data)

    return spoiled


DEEP = "[" * 200_000
NOTES = {
    "noise": NOISE,
    "deep": DEEP.encode(),
    "of another kind": b'7\n[]\n{"log": 7}\n{"name": 7}\n{"log": "test-3-%s.db"}' % (b"9" * 5000),
    "half a letter": b'{"log": "\\ud800", "name": "\\ud800"}',
    "no file's name": b'{"log": "\\u0000", "name": "\\u0000"}',
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
    "state is no text": lambda folder: change_meta(
        folder, "UPDATE meta SET value = CAST(x'7bff80' AS TEXT) WHERE key = 'state'"
    ),
    "state is deep": lambda folder: change_meta(
        folder, f"UPDATE meta SET value = '{DEEP}' WHERE key = 'state'"
    ),
    "state is rather deep": state_has("$.live", "[" * 900 + "]" * 900),
    "power-on is endless ago": state_has("$.boot_us", "1e999"),
    "power-on is yet to come": state_has("$.boot_us", "4611686018427387903"),
    "metres are no number": state_has("$.live[2][0]", "NaN"),
    "latitude is endless": state_has("$.live[2][4]", "[1,1.0,[1e334,42.0],1]"),
    "trip is too far": state_has("$.live[4][0][0]", "1e308"),
    "alarm is half a letter": state_has("$.live[5]", '[["\\ud800",0,true,false]]'),
    **{f"delivered.jsonl is {how}": spoil("logs/delivered.jsonl", data) for how, data in NOTES.items()},
    **{f"removed.jsonl is {how}": in_place_of_the_log("removed.jsonl", data) for how, data in NOTES.items()},
    "delivered.jsonl is a folder": lambda folder: (folder / "logs" / "delivered.jsonl").mkdir(),
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


class Drive:
    """The live computation on a stage, a fix five times a second, as the recorder calls it."""

    def __init__(self) -> None:
        self.live = stage_of(short_stage(), "a stage").live("Stock")

    def goes_on(self, from_s: float, to_s: float, zero_s: float) -> None:
        """From one moment of the drive to another, in a session that began at `zero_s`."""
        drive = built_in()[2]
        for tick in range(int(from_s * 5), int(to_s * 5)):
            at_s, t_us = START_S + tick / 5, int(tick * 200_000 - zero_s * 1e6)
            car = drive.at(at_s)
            utc_us = int((drive.utc_s + at_s) * 1e6)
            self.live.fix(Fix(t_us, utc_us, car.lat, car.lon, 600.0, car.speed_mps, 0.0, 1, 9, 0.9))
            self.live.tick(t_us)
            said = [self.live.progress_row(t_us), document(self.live.snapshot(t_us)), self.live.state()]
            json.dumps([*said, *self.live.take_events()], allow_nan=False, ensure_ascii=False).encode()


def leaves(state: Any, place: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Where a state has values that are no lists."""
    if not isinstance(state, list):
        yield place
        return
    for at, value in enumerate(state):
        yield from leaves(value, (*place, at))


def replaced(state: Any, place: tuple[int, ...], value: object) -> Any:
    if not place:
        return value
    return [replaced(each, place[1:], value) if at == place[0] else each for at, each in enumerate(state)]


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


def test_f03_whatever_value_of_a_state_is_spoiled_the_drive_goes_on(figures: Figures) -> None:
    """It is refused, or a drive with it neither raises nor hangs, and says only what can be written down."""
    before = Drive()
    before.goes_on(0.0, 9.0, 0.0)  # within the speed zone, and too fast
    state = before.live.state()
    places = list(leaves(state))
    assert state[-1] is not None, "an over-speed is going on"
    refused = 0
    for place in places:
        for value in WILD:
            after = Drive()
            refused += not after.live.restore(replaced(state, place, value), 1.0)
            after.goes_on(10.0, 10.6, 10.0)
            after.live.finish()
    assert Drive().live.restore(state, 1.0)
    assert refused > len(places)
    figures.tried("values of a saved state spoiled, refused or gone on with", len(places) * len(WILD))
