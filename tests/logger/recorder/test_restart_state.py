"""A power cut in mid-section: the section resumes with correct time and distance.

The reference is the drive itself: every fix has the drive's UTC, so each progress row has a known elapsed time and
distance.
"""

from __future__ import annotations

import json
import random
import time
from bisect import bisect
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from firmware_bridge.virtual.car import VirtualCar
from logger.recorder import restart_state
from tests.field_failures.recorder_process import integrity, query, recording, stop, until
from tests.figures import Figures
from tests.logger.recorder.driving import Crew, built_in, recorder_here, set_up

CP1_S = 15_451.0
"""When the winner passes the first checkpoint, in his day; the zone after it begins at km 44.3."""
SS11, SS11_FROM_M = 1, 320_000.0
KILLS = 20
MAX_TIME_ERROR_S = 0.1
DISTANCE_NOISE_M = 3.0
"""Error from a receiver's speed noise and the crossing of a checkpoint's circle; far below blind driving."""
FIXES_FOR_A_CLOCK = 10
"""The shortest delay of so many fixes tells UTC within MAX_TIME_ERROR_S also on a loaded machine."""
BLINK_S = 3.0
"""A gap as long as this is estimated (logger.stage.odometer)."""
ROWS_AFTER_THE_FIRST_FIX = (
    "SELECT count(*) FROM progress WHERE session = 2 AND t_us > (SELECT min(t_us) FROM fix WHERE session = 2)"
)
ORDERS = 6
"""Commands of `start`."""
ALARM = """
[[alarm]]
name = "driving"
when = "speed_kmh > 10"
"""


@pytest.fixture
def car(tmp_path: Path) -> VirtualCar:
    """A car that begins to drive when its context is entered: once a recorder runs, however long its start takes."""
    return VirtualCar(built_in()[2], start_s=CP1_S - 8.0, gps_hz=10, can_rate=100, directory=tmp_path)


def config_of(folder: Path, car: VirtualCar) -> Path:
    """The built-in stage without a DBC file, whose loading takes most of a start."""
    config = set_up(folder, car, built_in()[0].itinerary_text, ALARM)
    config.write_text(config.read_text().replace('dbc = ["engine.dbc"]', ""))
    return config


def start(crew: Crew, car: VirtualCar) -> None:
    """The crew starts the section where the car is, and sets everything else that must last."""
    while crew.snapshot()["utc"] is None:
        pass
    assert crew.command("start_section", index=SS11) is None
    here_m = car.drive.at(car.now_s).distance_m - SS11_FROM_M
    assert crew.command("set_distance", km=here_m / 1000) is None
    assert crew.command("reset_trip", trip=1) is None
    assert crew.command("adjust_distance", trip=2, metres=5000) is None
    assert crew.command("schedule_start", utc="12:00") is None
    while not (shot := crew.snapshot())["alarms"] or not shot["splits"]:
        pass
    assert crew.command("acknowledge", name="driving") is None


def recorded_until_the_last_order(log: Path) -> None:
    """Wait until the last order of `start` is on the card, and a progress row of more than a second later."""
    sql = "SELECT count(*) FROM progress WHERE t_us > 1000000 + (SELECT max(t_us) FROM event WHERE kind = 'command')"
    until(
        lambda: (
            query(log, f"{sql} AND (SELECT count(*) FROM event WHERE kind = 'command') = {ORDERS}") > [(0,)]
        )
    )


def lasting(shot: dict[str, Any]) -> dict[str, Any]:
    """The part of a snapshot that a power cut must not change."""
    return {
        "section": shot["section"]["index"],
        "splits": shot["splits"],
        "countdown": shot["countdown"]["utc"],
        "acknowledged": [alarm["name"] for alarm in shot["alarms"] if alarm["acknowledged"]],
        "controls": shot["controls"],
    }


def between_trips_km(shot: dict[str, Any]) -> float:
    """The difference of both trips: they grow with the odometer, which other tests check."""
    return float(shot["trip"][1]["distance_km"] - shot["trip"][0]["distance_km"])


class Error(NamedTuple):
    """Error of a progress row, and the distance driven blind before its session."""

    session: int
    t_us: int
    elapsed_s: float
    distance_m: float
    blind_m: float


def errors(log: Path, car: VirtualCar) -> list[Error]:
    """Compare every progress row after the checkpoint with the drive.

    The distance may be that of the newest fix or of the row's time: a loaded machine decodes fixes late.
    """
    ((started_in, started_us),) = query(
        log,
        "SELECT session, t_us FROM event WHERE kind = 'section'"
        " AND json_extract(detail, '$.cause') = 'crew' AND json_extract(detail, '$.state') = 'started'",
    )
    offsets, blind_m, so_far_m, last_s = {}, {}, 0.0, None
    for session, offset_us, first_us, last_us, fixes in query(
        log,
        "SELECT session, max(utc_us - t_us), min(utc_us), max(utc_us), count(*) FROM fix GROUP BY session",
    ):
        first_s = int(str(first_us)) / 1e6 - car.drive.utc_s
        if last_s is not None:
            so_far_m += car.drive.at(first_s).distance_m - car.drive.at(last_s).distance_m
        blind_m[session], last_s = so_far_m, int(str(last_us)) / 1e6 - car.drive.utc_s
        if int(str(fixes)) >= FIXES_FOR_A_CLOCK:
            offsets[session] = int(str(offset_us))
    at, fix_s = zip(
        *(
            ((int(str(session)), int(str(t_us))), int(str(utc_us)) / 1e6 - car.drive.utc_s)
            for session, t_us, utc_us in query(log, "SELECT session, t_us, utc_us FROM fix ORDER BY rowid")
        ),
        strict=True,
    )
    found = []
    for session, t_us, elapsed_s, distance_m in query(
        log,
        f"SELECT session, t_us, elapsed_s, distance_m FROM progress WHERE section = {SS11} ORDER BY rowid",
    ):
        if session not in offsets:
            continue  # killed before or soon after its first fix
        utc_us = int(str(t_us)) + offsets[session]
        drive_s = utc_us / 1e6 - car.drive.utc_s
        if drive_s > CP1_S + 1:
            true_s = (utc_us - int(str(started_us)) - offsets[started_in]) / 1e6
            newest_s = fix_s[bisect(at, (int(str(session)), int(str(t_us)))) - 1]
            least_m, most_m = (car.drive.at(at_s).distance_m - SS11_FROM_M for at_s in (newest_s, drive_s))
            shown_m = float(str(distance_m))
            found.append(
                Error(
                    int(str(session)),
                    int(str(t_us)),
                    float(str(elapsed_s)) - true_s,
                    shown_m - min(max(shown_m, least_m), most_m),
                    blind_m[session],
                )
            )
    return found


def killed_in_mid_section(config: Path, car: VirtualCar, road: ExitStack) -> tuple[dict[str, Any], Path]:
    """Drive the car on `road`, and kill its recorder after the orders of `start`. Returns that state and the log."""
    with recording(config) as process, Crew(config.with_name("live.sock")) as crew:
        road.enter_context(car)
        start(crew, car)
        shot = crew.snapshot()
        (log,) = config.with_name("logs").glob("*.db")
        recorded_until_the_last_order(log)
        process.kill()
        process.wait()
    return shot, log


def test_twenty_kills_in_mid_section_lose_nothing(car: VirtualCar, tmp_path: Path, figures: Figures) -> None:
    config = config_of(tmp_path, car)
    chance = random.Random(3)
    live_socket = tmp_path / "live.sock"
    with ExitStack() as road:
        shot, log = killed_in_mid_section(config, car, road)
        expected, apart_km = lasting(shot), pytest.approx(between_trips_km(shot), abs=0.0003)
        for kill in range(1, KILLS + 1):
            with recording(config) as process, Crew(live_socket) as crew:
                shot = crew.snapshot()
                assert lasting(shot) == expected, f"after kill {kill}"
                assert between_trips_km(shot) == apart_km
                time.sleep(chance.uniform(0.0, 2.0))
                if kill < KILLS:
                    process.kill()
                    process.wait()
                    continue
                while (shot := crew.snapshot())["gps"]["age_s"] is None:
                    pass
                assert lasting(shot) == expected
                time.sleep(1.5)
                stop(process)
    found = errors(log, car)
    assert integrity(log) == "ok"
    assert query(log, "SELECT count(*) FROM session") == [(KILLS + 1,)]
    refused = query(log, "SELECT * FROM event WHERE kind = 'resumed' AND NOT json_extract(detail, '$.ok')")
    assert refused == []
    time_s = max(abs(error.elapsed_s) for error in found)
    worst = max(found, key=lambda error: abs(error.distance_m))
    blind_m = max(error.blind_m for error in found)
    figures.note(
        f"resume: {KILLS} kills, {len({error.session for error in found})} sessions with rows:"
        f" elapsed wrong by {time_s:.3f} s at most,"
        f" distance by {abs(worst.distance_m):.1f} m, where {blind_m:.0f} m were driven blind"
    )
    assert time_s <= MAX_TIME_ERROR_S
    assert all(abs(error.distance_m) <= error.blind_m + DISTANCE_NOISE_M for error in found)


def test_after_a_power_cycle_gps_gives_the_length_of_the_gap(
    car: VirtualCar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    config = config_of(tmp_path, car)
    with ExitStack() as road:
        shot, log = killed_in_mid_section(config, car, road)
        expected, apart_km = lasting(shot), pytest.approx(between_trips_km(shot), abs=0.0003)
        time.sleep(BLINK_S + 1.0)
        monkeypatch.setattr(restart_state, "_boot_id", lambda: "another power-on")
        with recorder_here(config), Crew(tmp_path / "live.sock") as crew:
            while (shot := crew.snapshot())["gps"]["age_s"] is None:
                pass
            assert lasting(shot) == expected
            assert between_trips_km(shot) == apart_km
            assert shot["section"]["estimated"]
            until(lambda: query(log, ROWS_AFTER_THE_FIRST_FIX) >= [(2,)])
    found = [error for error in errors(log, car) if error.session == 2]
    ((detail,),) = query(log, "SELECT detail FROM event WHERE kind = 'resumed'")
    assert json.loads(str(detail))["gap_s"] is None
    fix = "SELECT min(t_us), max(utc_us - t_us) - max(utc_us - t_us) FILTER (WHERE rowid = ("
    fix += "SELECT min(rowid) FROM fix WHERE session = 2)) FROM fix WHERE session = 2"
    first_fix_us, late_us = (int(str(value)) for value in query(log, fix)[0])
    after = [error for error in found if error.t_us > first_fix_us]
    figures.note(
        f"power-cycle: {after[0].blind_m:.0f} m blind, elapsed wrong by {max(abs(e.elapsed_s) for e in after):.3f} s,"
        f" distance by {max(abs(e.distance_m) for e in after):.1f} m"
    )
    assert len(after) >= 2
    # The gap is known as exactly as the first fix arrives.
    assert all(abs(error.elapsed_s) <= MAX_TIME_ERROR_S + late_us / 1e6 for error in after)
    assert all(abs(error.distance_m) <= error.blind_m + DISTANCE_NOISE_M for error in after)


@pytest.mark.parametrize("state", ["", "nonsense", "{}", '{"boot_id": 1, "boot_us": "x", "live": []}', "[1]"])
def test_a_state_that_cannot_be_read_costs_only_itself(car: VirtualCar, tmp_path: Path, state: str) -> None:
    from logger.logfile.open_or_quarantine import open_log

    config = set_up(tmp_path, car)
    with recorder_here(config) as recorder:
        path = recorder.status().writer.path
    log, _ = open_log(path)
    log._connection.execute("UPDATE meta SET value = ? WHERE key = 'state'", (state,))
    log.close()
    with recorder_here(config) as recorder, Crew(tmp_path / "live.sock") as crew:
        assert crew.command("start_section") is None
        assert recorder.status().writer.session == 2
