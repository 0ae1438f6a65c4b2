"""The power-off request: when it is made, when never, and by a real recorder."""

from __future__ import annotations

import json
import os
import threading
import time
import tty
from collections.abc import Mapping
from functools import reduce
from operator import xor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.recorder.power import REQUEST, STATIONARY_KMH, UNKNOWN_S, PowerOff
from logger.stage.conditions import parse
from tests.field_failures.recorder_process import query, recording, stop, until

S = 1_000_000
FOR_S = 30.0
OFF = {"ignition": 0.0}


def requests_at(*spans: tuple[float, Mapping[str, float | None]]) -> list[float]:
    """Times of requests in seconds, for spans of a duration with these values each."""
    power, t_us, requested_s = PowerOff(parse("ignition < 0.5"), FOR_S), 0, []
    for seconds, values in spans:
        for _ in range(int(seconds * 2)):
            t_us += S // 2
            if power.tick(t_us, values):
                requested_s.append(t_us / S)
    return requested_s


def test_after_the_ignition_was_off_for_long_enough() -> None:
    assert requests_at((10, {"speed_kmh": 0.4, "ignition": 1}), (100, {"speed_kmh": 0.4, **OFF})) == [40.5]


def test_again_only_after_the_ignition_was_on_again() -> None:
    on, off = {"speed_kmh": 0.0, "ignition": 1.0}, {"speed_kmh": 0.0, **OFF}
    assert len(requests_at((200, off), (1, on), (200, off))) == 2


@pytest.mark.parametrize("kmh", [STATIONARY_KMH, 5.0, 170.0, float("nan"), float("inf")])
def test_never_while_the_car_moves(kmh: float) -> None:
    assert requests_at((3600, {"speed_kmh": kmh, **OFF})) == []


def test_a_moment_of_moving_or_of_ignition_restarts_the_time() -> None:
    off = {"speed_kmh": 0.0, **OFF}
    assert requests_at((25, off), (0.5, {"speed_kmh": 9.0, **OFF}), (25, off)) == []
    assert requests_at((25, off), (0.5, {"speed_kmh": 0.0, "ignition": 1}), (25, off)) == []


@pytest.mark.parametrize("asleep_after_s", [1, 10, 25, 29])
def test_a_bus_that_sleeps_after_the_ignition_went_off_changes_nothing(asleep_after_s: float) -> None:
    on, off = {"speed_kmh": 0.0, "ignition": 1.0}, {"speed_kmh": 0.0, **OFF}
    silent = {"speed_kmh": 0.0}
    assert requests_at((10, on), (asleep_after_s, off), (600, silent)) == [40.5]


def test_silence_alone_is_not_ignition_off() -> None:
    """An unplugged adapter, a bus that was never active; and silence ends when the ignition comes on."""
    on, silent = {"speed_kmh": 0.0, "ignition": 1.0}, {"speed_kmh": 0.0}
    assert requests_at((3600, silent)) == []
    assert requests_at((10, on), (3600, silent)) == []
    assert requests_at((10, {"speed_kmh": 0.0, **OFF}), (10, silent), (1, on), (3600, silent)) == []


def test_an_unknown_speed_counts_as_stationary_only_long_after_the_last_movement() -> None:
    """A tunnel; a session that begins during the drive; and a garage."""
    moving = {"speed_kmh": 90.0, **OFF}
    assert requests_at((10, moving), (UNKNOWN_S, OFF)) == []
    assert requests_at((UNKNOWN_S - 1, OFF)) == []
    (requested_s,) = requests_at((10, moving), (UNKNOWN_S + FOR_S + 1, OFF))
    assert requested_s == pytest.approx(10 + UNKNOWN_S + FOR_S, abs=1)


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(0, 200), st.none() | st.sampled_from([0.0, 1.0]), st.integers(1, 400)
        ),
        max_size=30,
    )
)
def test_the_car_was_stationary_and_off_for_the_whole_time(
    drive: list[tuple[float | None, float | None, int]],
) -> None:
    power, t_us = PowerOff(parse("ignition < 0.5"), FOR_S), 0
    moved_us, broken_us = 0, 0
    for kmh, ignition, halves in drive:
        for _ in range(halves):
            t_us += S // 2
            if kmh is not None and kmh >= STATIONARY_KMH:
                moved_us = t_us
            if ignition == 1.0 or (ignition is None and broken_us == t_us - S // 2) or moved_us == t_us:
                broken_us = t_us  # silence keeps the last state
            if power.tick(t_us, {"speed_kmh": kmh, "ignition": ignition}):
                assert t_us - broken_us >= FOR_S * S
                assert t_us - moved_us >= (FOR_S if kmh is not None else UNKNOWN_S) * S


class StationaryReceiver:
    """A GPS receiver on a pty, in a stationary car, at 5 Hz."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._speak)

    def __enter__(self) -> StationaryReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def _speak(self) -> None:
        while not self._stop.wait(0.2):
            now = time.time()
            clock = time.strftime("%H%M%S", time.gmtime(now)) + f".{int(now * 10) % 10}0"
            date = time.strftime("%d%m%y", time.gmtime(now))
            for body in (
                f"GPRMC,{clock},A,2000.0000,N,04236.0000,E,0.00,0.0,{date},,,A",
                f"GPGGA,{clock},2000.0000,N,04236.0000,E,1,09,0.9,1100.0,M,0.0,M,,",
            ):
                os.write(self._master, f"${body}*{reduce(xor, body.encode()):02X}\r\n".encode())


def test_a_real_recorder_leaves_the_request_and_logs_it(tmp_path: Path) -> None:
    """It also removes the request of an earlier run."""
    (tmp_path / REQUEST).touch()
    with StationaryReceiver() as receiver:
        (tmp_path / "stagelog.toml").write_text(
            f'[log]\ndirectory = "logs"\n[gps]\nport = "{receiver.port}"\nbaud = 9600\n'
            '[live]\nsocket = "live.sock"\n[shutdown]\nwhen = "gps_age_s < 10"\nfor_s = 5\n'
        )
        with recording(tmp_path / "stagelog.toml") as process:
            until(lambda: not (tmp_path / REQUEST).exists(), 30)
            until((tmp_path / REQUEST).exists, 60)
            stop(process)
    rows = query(tmp_path / "logs/drive-001.db", "SELECT detail FROM event WHERE kind = 'power_off'")
    assert [json.loads(str(detail)) for (detail,) in rows] == [{"for_s": 5.0}]
