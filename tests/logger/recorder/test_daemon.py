"""The recorder as a process on real ptys: a virtual car, faulty devices, starts, stops and full disks."""

from __future__ import annotations

import json
import resource
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from firmware_bridge.engine.obd2_frames import ANSWER_IDS
from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.drive import Drive
from firmware_bridge.virtual.traffic import DEMO_DBC
from firmware_bridge.virtual.wire import REPORTS
from logger.config import configuration
from logger.demo import planning
from logger.logfile.verify import verify
from logger.recorder.daemon import Recorder
from logger.stage.itinerary import load
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    numbers,
    query,
    recording,
    stop,
    until,
)
from tests.firmware_bridge.simulated_devices import pty
from tests.logger.short_stage import TEXT

MOVING_S = 140.0
"""The short stage's car is moving by then."""
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def drive() -> Drive:
    return planning.plan(load(TEXT, "short.toml")).drive


def configured(folder: Path, *, gps: str | None = None, can: str | None = None, more: str = "") -> Path:
    """A configuration with logs in `folder`/logs; `more` is appended, to the CAN table if there is one."""
    text = '[log]\ndirectory = "logs"\n[live]\nsocket = "live.sock"\n'
    if gps is not None:
        text += f'[gps]\nport = "{gps}"\nbaud = 115200\n'
    if can is not None:
        text += f'[[can]]\nname = "engine"\nport = "{can}"\nbaud = 115200\n'
        text += "" if "protocol" in more else 'protocol = "slcan"\n'
    path = folder / "stagelog.toml"
    path.write_text(text + more)
    return path


def log_of(folder: Path) -> Path:
    return folder / "logs" / "drive-001.db"


def count(folder: Path, sql: str) -> int:
    """A count in the log of a folder; 0 without a log."""
    try:
        return int(str(query(log_of(folder), f"SELECT count(*) FROM {sql}")[0][0]))
    except sqlite3.Error:
        return 0


def wait_for_rows(folder: Path, sql: str, least: int = 1) -> None:
    """Wait until the log has at least `least` rows."""
    until(lambda: count(folder, sql) >= least, PATIENCE_S)


NEVER_LOST = {"opening", "open", "silent"}
"""States of a port that stays open; it is silent where a loaded machine does not let its device send."""


def links(folder: Path, port: str) -> list[str]:
    """The states that a port passed through."""
    rows = query(log_of(folder), "SELECT detail FROM event WHERE kind = 'link' ORDER BY rowid")
    details = [json.loads(str(row[0])) for row in rows]
    return [detail["state"] for detail in details if detail["port"] == port]


def assert_complete(kept: list[int], bus: NumberedBus) -> None:
    """Every frame from the first recorded to the last sent is there (of the last burst perhaps a part)."""
    assert kept == list(range(kept[0], kept[-1] + 1))
    assert kept[-1] + 1 >= len(bus.sent_at)


def test_one_source_unplugged_leaves_the_other_complete(tmp_path: Path, drive: Drive) -> None:
    with (
        VirtualCar(drive, start_s=MOVING_S, gps_hz=10, directory=tmp_path) as car,
        NumberedBus(1000) as bus,
        recording(configured(tmp_path, gps=car.gps_port, can=bus.port)) as process,
    ):
        wait_for_rows(tmp_path, "fix WHERE lat IS NOT NULL", 10)
        wait_for_rows(tmp_path, "frame")
        car.unplug("gps")
        wait_for_rows(tmp_path, "event WHERE kind = 'link' AND detail LIKE '%lost%'")
        before = count(tmp_path, "fix")
        wait_for_rows(tmp_path, "frame", count(tmp_path, "frame") + 1000)
        car.replug("gps")
        wait_for_rows(tmp_path, "fix", before + 10)
        bus.silence()
        output = stop(process)
    kept = numbers(log_of(tmp_path))
    assert_complete(kept, bus)
    states = links(tmp_path, "gps")
    assert states[:2] == ["opening", "open"]
    assert "lost" in states
    assert states[-1] == "open"
    assert set(links(tmp_path, "engine")) <= NEVER_LOST
    assert "Traceback" not in output
    assert verify(log_of(tmp_path)) == []


def test_sigterm_drains_and_closes(tmp_path: Path, drive: Drive) -> None:
    with (
        VirtualCar(drive, start_s=MOVING_S, directory=tmp_path) as car,
        NumberedBus(3000) as bus,
        recording(configured(tmp_path, gps=car.gps_port, can=bus.port)) as process,
    ):
        until(has_rows(log_of(tmp_path), 3000), PATIENCE_S)
        bus.silence()
        stop(process)
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["drive-001.db"], "no WAL is left"
    assert_complete(numbers(log_of(tmp_path)), bus)
    assert query(log_of(tmp_path), "SELECT detail FROM event WHERE kind = 'session_end'") == [
        ('{"reason":"stopped"}',)
    ]
    assert verify(log_of(tmp_path)) == []


def test_the_thread_that_takes_signals_waits_for_no_event(tmp_path: Path) -> None:
    """`Event.wait` holds the event's lock for a moment. A signal in it, whose handler sets the event, never returns."""

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert threading.current_thread() is not threading.main_thread()
            return super().wait(timeout)

    stop = Stop()
    recorder = Recorder(configuration.load(configured(tmp_path, can=str(tmp_path / "none"))))
    threading.Timer(0.5, stop.set).start()
    recorder.run(stop)
    assert count(tmp_path, "event WHERE kind = 'session_end'") == 1


def test_a_start_after_sigkill_adds_a_session(tmp_path: Path) -> None:
    with NumberedBus(1000) as bus:
        config = configured(tmp_path, can=bus.port)
        with recording(config) as process:
            until(has_rows(log_of(tmp_path), 1000), PATIENCE_S)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        survived = numbers(log_of(tmp_path))
        with recording(config) as process:
            wait_for_rows(tmp_path, "frame WHERE session = 2", 500)
            stop(process)
    assert query(log_of(tmp_path), "SELECT id FROM session") == [(1,), (2,)]
    kept = numbers(log_of(tmp_path))
    assert kept[: len(survived)] == survived
    assert kept == sorted(set(kept))
    ends = query(log_of(tmp_path), "SELECT session FROM event WHERE kind = 'session_end'")
    assert ends == [(2,)]
    assert verify(log_of(tmp_path)) == []


def test_obd2_polling(tmp_path: Path, drive: Drive) -> None:
    polling = 'listen_only = false\npoll = true\npreset = "obd2"\n'
    with (
        VirtualCar(drive, start_s=MOVING_S, can_rate=200, directory=tmp_path) as car,
        recording(configured(tmp_path, can=car.can_port, more=polling)) as process,
    ):
        wait_for_rows(tmp_path, "reading JOIN channel ON id = channel WHERE name = 'rpm'", 5)
        wait_for_rows(tmp_path, "reading JOIN channel ON id = channel WHERE name = 'coolant_c'")
        stop(process)
    ranges = {
        str(name): (float(str(low)), float(str(high)))
        for name, low, high in query(
            log_of(tmp_path),
            "SELECT name, min(value), max(value) FROM reading JOIN channel ON id = channel"
            " WHERE source = 'obd2' GROUP BY name",
        )
    }
    assert 600 < ranges["rpm"][0] <= ranges["rpm"][1] < 7000
    assert 0 < ranges["coolant_c"][0] < 120
    assert count(tmp_path, f"frame WHERE can_id IN {tuple(ANSWER_IDS)}") >= 5
    assert verify(log_of(tmp_path)) == []


def test_init_strings_reach_the_receiver(tmp_path: Path) -> None:
    init = 'init = ["$PMTK220,100*2F", "$PMTK314,0,1,0,1"]\n'
    with pty() as receiver, recording(configured(tmp_path, gps=receiver.name, more=init)):
        receiver.await_received(b"$PMTK220,100*2F\r\n$PMTK314,0,1,0,1\r\n")


@pytest.mark.parametrize("name", REPORTS)  # a CAN interface is no serial adapter: test_socketcan.py
def test_each_can_protocol_from_device_to_readings(tmp_path: Path, drive: Drive, name: str) -> None:
    (tmp_path / "demo.dbc").write_text(DEMO_DBC)
    more = f'protocol = "{name}"\nbitrate = 500000\ndbc = ["demo.dbc"]\n'
    with VirtualCar(drive, start_s=MOVING_S, can_rate=500, protocol=name, directory=tmp_path) as car:
        with recording(configured(tmp_path, can=car.can_port, more=more)) as process:
            wait_for_rows(tmp_path, "reading JOIN channel ON id = channel WHERE name = 'rpm'", 10)
            wait_for_rows(tmp_path, "frame", 301)
            stop(process)
        assert car.lost_bytes("can") == 0
    rpm = query(
        log_of(tmp_path),
        "SELECT min(value), max(value) FROM reading JOIN channel ON id = channel WHERE name = 'rpm'",
    )
    assert 600 < float(str(rpm[0][0])) <= float(str(rpm[0][1])) < 7000
    assert count(tmp_path, "rejected") <= 1, "at most the frame that the opening cut in two"
    assert verify(log_of(tmp_path)) == []


@pytest.mark.parametrize(
    "content", [None, b"\x7fELF\0\0\0", b"BO_ nonsense\n"], ids=["missing", "binary", "damaged"]
)
def test_a_bad_dbc_never_stops_the_recording(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "engine.dbc").write_bytes(content)
    more = 'dbc = ["engine.dbc"]\n[[alarm]]\nname = "a"\nwhen = "RPM > 1"\n'
    with NumberedBus(500) as bus, recording(configured(tmp_path, can=bus.port, more=more)) as process:
        until(has_rows(log_of(tmp_path), 1000), PATIENCE_S)
        bus.silence()
        output = stop(process)
    assert "engine.dbc" in output
    assert count(tmp_path, "event WHERE kind = 'dbc_left_out'") == 1
    assert verify(log_of(tmp_path)) == []


def test_a_missing_port_is_reported_once_and_the_others_continue(tmp_path: Path) -> None:
    with (
        NumberedBus(500) as bus,
        recording(configured(tmp_path, gps=str(tmp_path / "no-such-gps"), can=bus.port)) as process,
    ):
        until(has_rows(log_of(tmp_path), 1000), PATIENCE_S)
        until(lambda: "open" in links(tmp_path, "engine"), PATIENCE_S)
        assert process.poll() is None
        bus.silence()
        output = stop(process)
    (line,) = [line for line in output.splitlines() if "no-such-gps" in line and line.startswith("WARNING")]
    assert line.startswith("WARNING gps: ")
    assert ";" in line, "the hint"
    assert links(tmp_path, "gps") == ["opening", "missing"]
    assert set(links(tmp_path, "engine")) <= NEVER_LOST
    kept = numbers(log_of(tmp_path))
    assert_complete(kept, bus)


@contextmanager
def size_limited(process: subprocess.Popen[bytes], log: Path) -> Iterator[None]:
    """Prevent every file of the recorder from growing."""
    hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size, hard))
    yield
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def filled_up(_process: subprocess.Popen[bytes], log: Path) -> Iterator[None]:
    """Fill the log's file system."""
    filler = log.with_name("filler")
    with filler.open("wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    yield
    filler.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB for the logs."""
    (tmp_path / "logs").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(tmp_path / "logs")]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip("only root may mount a small file system")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "logs")], check=True)


Trouble = Callable[["subprocess.Popen[bytes]", Path], AbstractContextManager[None]]


def assert_survives(folder: Path, trouble: Trouble) -> None:
    log = log_of(folder)
    with NumberedBus(2000) as bus, recording(configured(folder, can=bus.port)) as process:
        until(has_rows(log, 2000), PATIENCE_S)
        with trouble(process, log):
            time.sleep(3.0)
            assert process.poll() is None
            until(lambda: len(bus.sent_at) > len(numbers(log)) + 2000, PATIENCE_S)  # the disk is full
            sent = len(bus.sent_at)
        until(has_rows(log, sent), PATIENCE_S)
        bus.silence()
        output = stop(process)
    kept = numbers(log)
    assert_complete(kept, bus)
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1, output
    assert log.name in errors[0]
    assert "free the disk or change the card" in errors[0]
    assert "the log can be written again" in output
    assert verify(log) == []


def test_a_full_disk_is_survived(small_disk: Path) -> None:
    assert_survives(small_disk, filled_up)


def test_a_file_that_may_not_grow_is_survived(tmp_path: Path) -> None:
    """Like a full disk to SQLite, without the right to mount one."""
    assert_survives(tmp_path, size_limited)
