"""F6: a wrong clock at boot and steps during the drive; no name, order or duration depends on it."""

from __future__ import annotations

import re
import socket
import threading
import time
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest

from firmware_bridge.virtual.car import VirtualCar
from logger.config import configuration as configs
from logger.logfile.verify import verify
from logger.recorder import daemon
from tests.field_failures.recorder_process import NumberedBus, has_rows, numbers, query, until, write_config
from tests.figures import Figures
from tests.logger.recorder.driving import START_S, Crew, built_in, recorder_here, set_up

PACKAGES = Path(__file__).parents[2]
WALL_CLOCK = re.compile(r"\btime\.time\(|\btime\.time_ns\(|datetime\.now\(|datetime\.utcnow\(|date\.today\(")
BOOTS = (
    datetime(1970, 1, 1, 0, 0, 12, tzinfo=UTC),
    datetime(2038, 2, 1, tzinfo=UTC),
    datetime(2026, 1, 15, tzinfo=UTC),
)

YEAR_S = 365.25 * 86400
STEPS_S = (-56 * YEAR_S, 12 * YEAR_S, -3600.0, 3600.0, 0.0, 56 * YEAR_S, -1 * YEAR_S, 0.0)
ALLOWED_DELAY_S = 5.0
"""Delay on a busy machine; the steps are at least an hour."""


def record_some(config: Path, log: Path, more: int) -> None:
    """Run the real recorder in this process until the log has `more` further frames."""
    before = len(numbers(log)) if log.exists() else 0
    recorder = daemon.Recorder(configs.load(config))
    stop = threading.Event()
    thread = threading.Thread(target=recorder.run, args=(stop,))
    thread.start()
    try:
        until(has_rows(log, before + more))
    finally:
        stop.set()
        thread.join(60)


def test_f06_boots_in_1970_2038_and_2026_record_into_one_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    log = tmp_path / "logs" / "test-6-001.db"
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=6)
        for boot in BOOTS:

            class WrongClock(datetime):
                @classmethod
                def now(cls, tz: tzinfo | None = None, *, at: datetime = boot) -> datetime:  # type: ignore[override]
                    return at

            monkeypatch.setattr(daemon, "datetime", WrongClock)
            record_some(config, log, 200)
    assert [path.name for path in log.parent.iterdir()] == [log.name]
    recorded = numbers(log)
    assert recorded == sorted(set(recorded))
    assert [str(row[0])[:4] for row in query(log, "SELECT started_utc FROM session ORDER BY id")] == [
        "1970",
        "2038",
        "2026",
    ]
    assert verify(log) == []
    years = ", ".join(str(boot.year) for boot in BOOTS)
    figures.note(f"boots in {years}: one log, 0 of {len(recorded)} rows lost, in order")


class WallClock:
    """Replaces `time.time` and `time.time_ns` of this process with a clock that can be stepped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = 0
        self._off_s = 0.0
        real_s, real_ns = time.time, time.time_ns

        def now_s() -> float:
            self.reads += 1
            return real_s() + self._off_s

        def now_ns() -> int:
            self.reads += 1
            return real_ns() + int(self._off_s * 1e9)

        monkeypatch.setattr(time, "time", now_s)
        monkeypatch.setattr(time, "time_ns", now_ns)

    def set_offset(self, off_s: float) -> None:
        self._off_s = off_s


def test_f06_clock_steps_during_a_session_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    """The machine's clock is set several times, by up to 56 years, while GPS gives the correct time.

    The recorder also offers the time to chrony, because that code reads the clock.
    """
    wall = WallClock(monkeypatch)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as chrony,
        VirtualCar(built_in()[2], start_s=START_S, gps_hz=5, can_rate=300) as car,
    ):
        chrony.bind(str(tmp_path / "chrony.sock"))
        config = set_up(tmp_path, car, more='[clock]\nchrony = "chrony.sock"\n')
        with recorder_here(config) as recorder, Crew(tmp_path / "live.sock") as crew:
            until(lambda: crew.snapshot()["utc"] is not None)
            assert crew.command("start_section") is None
            for off_s in STEPS_S:
                wall.set_offset(off_s)
                stepped_us = recorder.status().t_us
                while (snapshot := crew.snapshot()) and recorder.status().t_us < stepped_us + 700_000:
                    pass
                utc_s = datetime.fromisoformat(snapshot["utc"]).timestamp()
                assert abs(utc_s - car.drive.utc_s - car.now_s) < ALLOWED_DELAY_S
        log = recorder.status().writer.path
    assert wall.reads > 0
    assert verify(log) == [], "time runs forward in every source"
    apart_s = [
        float(str(row[0])) / 1e6 for row in query(log, "SELECT utc_us - t_us FROM fix WHERE utc_us > 0")
    ]
    assert max(apart_s) - min(apart_s) < ALLOWED_DELAY_S
    assert (
        max(
            abs(float(str(row[0])) / 1e6 - apart_s[0])
            for row in query(log, "SELECT utc_us - t_us FROM clock")
        )
        < ALLOWED_DELAY_S
    )
    timed = query(
        log, "SELECT t_us / 1e6, elapsed_s FROM progress WHERE elapsed_s IS NOT NULL ORDER BY rowid"
    )
    assert len(timed) >= len(STEPS_S) / 2
    begun_s = [float(str(t_s)) - float(str(elapsed_s)) for t_s, elapsed_s in timed]
    assert max(begun_s) - min(begun_s) < ALLOWED_DELAY_S
    figures.note(
        f"the clock set {len(STEPS_S)} times in a drive, by up to {max(STEPS_S) / YEAR_S:.0f} years either way:"
        f" order kept, durations within {max(begun_s) - min(begun_s):.2f} s, UTC by GPS within"
        f" {max(apart_s) - min(apart_s):.2f} s"
    )


def test_f06_only_listed_modules_read_the_wall_clock() -> None:
    readers = {
        str(path.relative_to(PACKAGES))
        for package in (
            "firmware_bridge",
            "logger/recorder",
            "logger/logfile",
            "logger/replay",
            "logger/live",
            "logger/stage",
            "logger/retention",
        )
        for path in (PACKAGES / package).rglob("*.py")
        if WALL_CLOCK.search(path.read_text())
    }
    assert readers <= {
        # For `started_utc`, which the schema's documentation calls unreliable.
        "logger/recorder/daemon.py",
        "logger/replay/replay_to_log.py",
        # For `applied_at` of a migration, which is only stored.
        "logger/logfile/schema.py",
        # chrony gets the error of the system's clock.
        "logger/recorder/chrony.py",
        # The kernel stamps CAN frames with that clock; kernel_stamps maps the stamps to the monotonic one.
        "firmware_bridge/devices/socketcan_link.py",
    }
