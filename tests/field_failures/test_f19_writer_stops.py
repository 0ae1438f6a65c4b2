"""F19: the logger stops unnoticed. When writing hangs or fails, the crew sees an alarm within 3 s."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.virtual.car import VirtualCar
from logger.boundary.notify import Watchdog
from logger.logfile import store
from logger.logfile.verify import verify
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    numbers,
    query,
    recording,
    stop,
    until,
    write_config,
)
from tests.field_failures.small_disk import CardImage, card_image
from tests.figures import Figures
from tests.logger.recorder.driving import START_S, Crew, built_in, recorder_here, set_up

WITHIN_S = 3.0
BUSY_S = 1.0
"""Time to create and read a snapshot on a shared machine."""
PERIOD_US = 4_000_000
"""systemd's watchdog period, shorter than in the unit."""
MESSAGE = "The log is not being written"


class Card:
    """Simulates the SD card's states: good, hanging in a sync, or full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        self._good = threading.Event()
        self._good.set()
        commit, write = store.Log.commit, store.Log.write

        def hanging(log: store.Log) -> None:
            self._good.wait()
            commit(log)

        def refusing(log: store.Log, rows: Any) -> None:
            if self.is_full:
                raise sqlite3.OperationalError("database or disk is full")
            write(log, rows)

        monkeypatch.setattr(store.Log, "commit", hanging)
        monkeypatch.setattr(store.Log, "write", refusing)

    def hang(self) -> None:
        self._good.clear()

    def fill(self) -> None:
        self.is_full = True

    def repair(self) -> None:
        self.is_full = False
        self._good.set()


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    card = Card(monkeypatch)
    yield card
    card.repair()


def is_alarm_on(snapshot: dict[str, Any]) -> bool:
    """Whether the alarm of the log is on."""
    return MESSAGE in [alarm["message"] for alarm in snapshot["alarms"]]


@pytest.mark.load_sensitive
@pytest.mark.parametrize("trouble", [Card.hang, Card.fill], ids=["hangs", "full"])
def test_f19_the_crew_sees_an_alarm_within_three_seconds_and_no_row_is_lost(
    tmp_path: Path, card: Card, trouble: Callable[[Card], None], figures: Figures
) -> None:
    with VirtualCar(built_in()[2], start_s=START_S, gps_hz=5, can_rate=300) as car:
        config = set_up(tmp_path, car)
        with recorder_here(config) as recorder, Crew(tmp_path / "live.sock") as crew:
            try:
                until(lambda: crew.snapshot()["recording"]["frames"] > 0)
                assert not is_alarm_on(crew.snapshot())
                trouble(card)
                began = time.monotonic()
                until(lambda: is_alarm_on(crew.snapshot()), WITHIN_S + BUSY_S)
                took_s = time.monotonic() - began
                snapshot = crew.snapshot()
                figures.measured("failure of writing to the alarm", took_s, "s")
                assert snapshot["recording"]["lag_s"] > 2.0
                assert not snapshot["recording"]["ok"]
                assert snapshot["recording"]["trouble"]
                assert snapshot["speed_kmh"] is not None  # live values continue
                assert crew.command("mark") is None
            finally:
                card.repair()
            until(lambda: (now := crew.snapshot())["recording"]["ok"] and not is_alarm_on(now))
            status = recorder.status().writer
    assert status.dropped == 0
    assert verify(status.path) == []
    alarms = query(
        status.path,
        "SELECT json_extract(detail, '$.state') FROM event"
        " WHERE kind = 'alarm' AND json_extract(detail, '$.name') = 'log' ORDER BY rowid",
    )
    assert alarms == [("raised",), ("cleared",)]
    frames_us = [int(str(row[0])) for row in query(status.path, "SELECT t_us FROM frame ORDER BY t_us")]
    assert max(b - a for a, b in pairwise(frames_us)) < 500_000  # no frame is missing


@pytest.fixture
def image(tmp_path: Path) -> Iterator[CardImage]:
    with card_image(tmp_path / "logs") as image:
        yield image


def test_f19_recording_continues_on_a_card_that_failed_and_returned(
    tmp_path: Path, image: CardImage, figures: Figures
) -> None:
    """The kernel shuts the file system down; it is unmounted, repaired as a copy, and mounted in the same place."""
    log = tmp_path / "logs" / "test-8-001.db"
    with NumberedBus(500) as bus, recording(write_config(tmp_path, bus.port, stage=8)) as process:
        until(has_rows(log, 500))
        image.fail()
        failed = len(bus.sent_at)
        until(lambda: len(bus.sent_at) > failed + 1500)
        image.remount_repaired()
        back = time.monotonic()
        held = len(numbers(log))
        until(has_rows(log, held + 1500))
        figures.measured("return of a failed card to recording again", time.monotonic() - back, "s")
        bus.silence()
        output = stop(process)
    kept = numbers(log)
    assert kept == list(range(kept[0], kept[-1] + 1)), "no frame repeated, none lost"
    assert kept[-1] + 1 >= len(bus.sent_at)
    assert query(log, "SELECT count(*) FROM session") == [(1,)]
    assert query(log, "SELECT count(*) FROM event WHERE kind = 'log_reopened'") == [(1,)]
    assert list(log.parent.glob("*.damaged-*")) == []
    assert "the log can be written again" in output
    assert verify(log) == []


def test_f19_a_hanging_writer_thread_stops_the_watchdog_messages(tmp_path: Path, card: Card) -> None:
    """Ports are read and the crew page is live, but no row is written: the watchdog must not be fed."""
    with VirtualCar(built_in()[2], start_s=START_S, gps_hz=5, can_rate=300) as car:
        watchdog = Watchdog(PERIOD_US)
        with recorder_here(set_up(tmp_path, car)) as recorder:

            def is_fed() -> bool:
                return watchdog.is_due(recorder.origin.t_us(), recorder.pulses())

            until(is_fed)
            until(is_fed)
            card.hang()
            until(lambda: (is_fed(), watchdog.stuck)[1] == ("writer",))
            pulses = recorder.pulses()
            stuck_us = recorder.origin.t_us()
            while recorder.origin.t_us() < stuck_us + 2 * PERIOD_US:
                assert not is_fed()
                time.sleep(0.02)
            moved = {part for part, pulse in recorder.pulses().items() if pulse != pulses[part]}
            assert moved == set(pulses) - {"writer"} != set()
            card.repair()
            until(is_fed)


def test_f19_a_frozen_card_stops_the_watchdog_messages_of_the_real_recorder(
    tmp_path: Path, image: CardImage, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, NumberedBus() as bus:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", str(PERIOD_US))
        manager.settimeout(30)
        with recording(write_config(tmp_path, bus.port, stage=9)) as process:
            until(lambda: manager.recv(4096) == b"WATCHDOG=1")
            with image.frozen():
                frozen_at = time.monotonic()
                manager.settimeout(2 * PERIOD_US / 1e6)
                fed_at = frozen_at
                with suppress(TimeoutError):
                    while time.monotonic() < frozen_at + 30:
                        assert manager.recv(4096) == b"WATCHDOG=1"
                        fed_at = time.monotonic()
                assert fed_at < frozen_at + 30, "the watchdog is fed without end"
                figures.measured("freeze of the card to the last watchdog message", fed_at - frozen_at, "s")
                assert process.poll() is None
            manager.settimeout(30)
            assert manager.recv(4096) == b"WATCHDOG=1", "it is fed again"
            bus.silence()
            stop(process)
    kept = numbers(tmp_path / "logs" / "test-9-001.db")
    assert kept == list(range(kept[0], kept[-1] + 1))
    assert kept[-1] + 1 >= len(bus.sent_at)


def test_f19_a_lag_within_max_loss_s_raises_no_alarm(tmp_path: Path) -> None:
    with VirtualCar(built_in()[2], start_s=START_S, gps_hz=5, can_rate=300) as car:
        config = set_up(tmp_path, car)
        config.write_text(config.read_text().replace("[log]\n", "[log]\nmax_loss_s = 10\n"))
        with recorder_here(config), Crew(tmp_path / "live.sock") as crew:
            lags_s = [0.0]
            while max(lags_s) < 4.0:
                snapshot = crew.snapshot()
                lags_s.append(snapshot["recording"]["lag_s"])
                assert snapshot["recording"]["ok"]
                assert not is_alarm_on(snapshot)
