"""Events of `stagelog demo` in its five minutes, simulated faster than real time."""

from __future__ import annotations

import json
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.protocols import protocol
from firmware_bridge.virtual.simulation import simulate_bytes
from logger.config import configuration as configs
from logger.demo import demo, stages
from logger.logfile.bulk_log import BulkLog
from logger.logfile.store import SessionStart
from logger.recorder import setup, stage_files
from logger.recorder.pipeline import Pipeline
from logger.recorder.sources import Source
from tests.field_failures.recorder_process import query

SHOWN_S = 300.0
SS11 = 1
DBC = "demo_engine.dbc"
Happened = list[tuple[float, str, dict[str, Any]]]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the demonstration's five minutes, the timed section so far before them."""
    built_in, car = stages.stage(demo.STAGE), demo.driven()
    day = stages.plan(built_in, car)
    drive, start_s = day.drive, demo.start_of(day)
    sources = [
        Source("gps", protocol("nmea").decoder(0), FixBuilder()),
        Source("engine", protocol("slcan").decoder(0)),
    ]
    stage = stage_files.stage_of(built_in.itinerary_text, built_in.name)
    decoders = setup.engine_decoders({DBC: built_in.dbc_text}, [])
    pipeline = Pipeline(sources, EngineReadings(decoders), stage.live(car.car_class))
    from_s = day.sections[SS11][0] - 60
    pipeline.begin(int(from_s * 1e6))
    pipeline.command(int(from_s * 1e6), "start_section", {})  # the liaison before it: it is over
    pipeline.command(int(from_s * 1e6), "finish_section", {})
    shown = simulate_bytes(
        drive,
        t0_s=start_s,
        t1_s=start_s + SHOWN_S,
        receiver=demo.receiver(drive, start_s, 10),
        engine=demo.engine(drive, start_s),
    )
    before = simulate_bytes(drive, gps_hz=1, can_rate=5, t0_s=from_s, t1_s=start_s, cold_start_s=0.0)
    for port, t_us, data in chain(before, shown):
        pipeline.feed(port, t_us, data)
    pipeline.finish(int((start_s + SHOWN_S) * 1e6))
    pipeline.event(0, "demo_begins", {"s": start_s})
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    with BulkLog(path) as log:
        meta = setup.describe(configs.Config(), stage, {DBC: built_in.dbc_text})
        log.begin_session(SessionStart("test", "", "test", ""), meta)
        log.put(pipeline.take())
    return path


@pytest.fixture(scope="module")
def happened(log: Path) -> Happened:
    """(seconds of the demonstration, kind, detail) of its events."""
    ((start_s,),) = query(log, "SELECT json_extract(detail, '$.s') FROM event WHERE kind = 'demo_begins'")
    events = query(log, "SELECT t_us, kind, detail FROM event ORDER BY rowid")
    assert isinstance(start_s, float)
    seen = [
        (int(str(t_us)) / 1e6 - start_s, str(kind), json.loads(str(detail))) for t_us, kind, detail in events
    ]
    return [event for event in seen if 0 <= event[0] <= SHOWN_S]


def alarms(happened: Happened, name: str) -> dict[str, float]:
    """When an alarm changed, in seconds of the demonstration."""
    return {
        detail["state"]: at_s for at_s, kind, detail in happened if kind == "alarm" and detail["name"] == name
    }


def test_the_first_checkpoint_comes_after_a_minute_with_its_split(happened: Happened) -> None:
    (at_s,) = [
        at_s
        for at_s, kind, detail in happened
        if kind == "waypoint" and (detail["name"], detail["state"]) == ("CP1", "validated")
    ]
    assert at_s == pytest.approx(demo.LEAD_IN_S, abs=0.5)


def test_the_zone_is_driven_too_fast_once(happened: Happened) -> None:
    (over,) = [detail for _, kind, detail in happened if kind == "overspeed"]
    assert over["limit_kmh"] == 50
    assert over["max_kmh"] == pytest.approx(66, abs=1)
    assert 44.3 < over["km"] < 46.0


def test_gps_is_lost_reported_and_back_and_the_distance_continues(log: Path, happened: Happened) -> None:
    lost, found = demo.GPS_LOST_S
    times = alarms(happened, "gps lost")
    assert lost < times["raised"] < lost + 5
    assert found < times["cleared"] < found + 5
    ((start_s,),) = query(log, "SELECT json_extract(detail, '$.s') FROM event WHERE kind = 'demo_begins'")
    assert isinstance(start_s, float)
    rows = query(
        log,
        "SELECT distance_m, speed_mps FROM progress WHERE t_us BETWEEN"
        f" {(start_s + lost + 5) * 1e6:.0f} AND {(start_s + found - 2) * 1e6:.0f} ORDER BY t_us",
    )
    driven_m = [float(str(distance)) for distance, _ in rows]
    assert len(driven_m) > 10
    assert all(later > earlier + 5 for earlier, later in pairwise(driven_m))


def test_the_alternator_fails_and_raises_an_alarm(happened: Happened) -> None:
    times = alarms(happened, "alternator")
    assert demo.BELT_SNAPS_S < times["raised"] < demo.BELT_SNAPS_S + 30
    assert "cleared" not in times
