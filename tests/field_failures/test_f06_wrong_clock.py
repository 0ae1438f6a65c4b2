"""F6: the clock is wrong at boot, and is set while the car drives. Nothing is named, ordered or timed by it."""

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
AWAY_S = 5.0
"""What a busy machine may delay; a step is no less than an hour."""


def record_some(config: Path, log: Path, more: int) -> None:
    """The real recorder, in this process, until the log has `more` frames more."""
    before = len(numbers(log)) if log.exists() else 0
    recorder = daemon.Recorder(configs.load(config))
    stop = threading.Event()
    thread = threading.Thread(target=recorder.run, args=(stop,))
    thread.start()
    try:
        until(has_rows(log, before + more))
    finally:
        stop.set()
        thread.join(15)


def test_f06_boots_in_1970_in_the_future_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    log = tmp_path / "logs" / "test-6-001.db"
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=6)
        for boot in BOOTS:

            class Wrong(datetime):
                @classmethod
                def now(cls, tz: tzinfo | None = None, *, at: datetime = boot) -> datetime:  # type: ignore[override]
                    return at

            monkeypatch.setattr(daemon, "datetime", Wrong)
            record_some(config, log, 200)
    assert [path.name for path in log.parent.iterdir()] == [log.name]
    found = numbers(log)
    assert found == sorted(set(found))
    assert [str(row[0])[:4] for row in query(log, "SELECT started_utc FROM session ORDER BY id")] == [
        "1970",
        "2038",
        "2026",
    ]
    assert verify(log) == []
    years = ", ".join(str(boot.year) for boot in BOOTS)
    figures.note(f"boots in {years}: one log, 0 of {len(found)} rows lost, in order")


class WallClock:
    """The system's clock, as whoever asks this process is told it, moved while the car drives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = 0
        self._off_s = 0.0
        told_s, told_ns = time.time, time.time_ns

        def now_s() -> float:
            self.asked += 1
            return told_s() + self._off_s

        def now_ns() -> int:
            self.asked += 1
            return told_ns() + int(self._off_s * 1e9)

        monkeypatch.setattr(time, "time", now_s)
        monkeypatch.setattr(time, "time_ns", now_ns)

    def step(self, off_s: float) -> None:
        self._off_s = off_s


def test_f06_steps_both_ways_in_mid_session_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    """Somebody, chrony perhaps, sets the clock of the machine again and again, by years; GPS goes on telling the time.

    Only what hears of a step can go wrong by it, so chrony is offered the time throughout: it does ask the clock.
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
                wall.step(off_s)
                stepped_us = recorder.status().t_us
                while (said := crew.snapshot()) and recorder.status().t_us < stepped_us + 700_000:
                    pass
                utc_s = datetime.fromisoformat(said["utc"]).timestamp()
                assert abs(utc_s - car.drive.utc_s - car.now_s) < AWAY_S
        log = recorder.status().writer.path
    assert wall.asked > 0
    assert verify(log) == [], "time runs forward in every source"
    apart_s = [
        float(str(row[0])) / 1e6 for row in query(log, "SELECT utc_us - t_us FROM fix WHERE utc_us > 0")
    ]
    assert max(apart_s) - min(apart_s) < AWAY_S
    assert (
        max(
            abs(float(str(row[0])) / 1e6 - apart_s[0])
            for row in query(log, "SELECT utc_us - t_us FROM clock")
        )
        < AWAY_S
    )
    timed = query(
        log, "SELECT t_us / 1e6, elapsed_s FROM progress WHERE elapsed_s IS NOT NULL ORDER BY rowid"
    )
    assert len(timed) >= len(STEPS_S) / 2
    begun_s = [float(str(t_s)) - float(str(elapsed_s)) for t_s, elapsed_s in timed]
    assert max(begun_s) - min(begun_s) < AWAY_S
    figures.note(
        f"the clock set {len(STEPS_S)} times in a drive, by up to {max(STEPS_S) / YEAR_S:.0f} years either way:"
        f" order kept, durations within {max(begun_s) - min(begun_s):.2f} s, UTC by GPS within"
        f" {max(apart_s) - min(apart_s):.2f} s"
    )


def test_f06_the_wall_clock_is_read_only_to_be_written_down() -> None:
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
        # `started_utc`, which the schema's documentation says not to trust.
        "logger/recorder/daemon.py",
        "logger/replay/replaying.py",
        # What chrony is told is by how much the system's clock is wrong.
        "logger/recorder/chrony.py",
        # The kernel stamps frames of a CAN interface by that clock; kernel_stamps maps them onto the monotonic one.
        "firmware_bridge/devices/socketcan_link.py",
    }
