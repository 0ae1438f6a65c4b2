"""The trace of the last two kilometres: one value per step of the road."""

from __future__ import annotations

import pytest

from logger.stage.odometer import Leg
from logger.stage.speed_trace import LENGTH_M, STEP_M, SpeedTrace
from tests.logger.stage.test_limits import ROAD, ZONED, along, steady
from tests.logger.stage.truth import live_stage, one_section

MOST = round(LENGTH_M / STEP_M) + 1


def leg(from_m: float, to_m: float, from_mps: float, to_mps: float, seconds: float = 1.0) -> Leg:
    return Leg(0, round(seconds * 1e6), from_m, to_m, None, None, from_mps, to_mps, seen=True)


def test_a_long_leg_gives_each_of_its_steps() -> None:
    trace = SpeedTrace()
    trace.leg(leg(0, 47, 10, 20), 50)
    trace.leg(leg(47, 47, 20, 0), 50)  # standing adds nothing
    trace.leg(leg(47, 59, 0, 10), 30)
    trace.leg(leg(59, 61, 10, 10), 30)
    assert trace.shown.kmh == (36, 51, 67, 36)
    assert trace.shown.limit_kmh == (50, 50, 50, 30)


def test_a_gap_is_unknown_and_costs_no_more_than_the_trace() -> None:
    trace = SpeedTrace()
    trace.leg(leg(0, 30, 10, 10), None)
    trace.leg(leg(30, 9_000_000, 10, 10, seconds=600), 90)
    assert trace.shown.kmh == (None,) * MOST
    assert trace.shown.limit_kmh == (90,) * MOST


@pytest.mark.parametrize("hz", [1, 10])
def test_the_document_has_what_was_driven(hz: float) -> None:
    live = live_stage(one_section(ROAD, ZONED, 8000), class_name="Stock")
    drive = steady(100, 50, 3000, 4000)
    for metres, shot in along(live, drive, hz):
        if 4300 < metres < 4350:
            trace = shot["trace"]
            assert len(trace["kmh"]) == len(trace["limit_kmh"]) == MOST
            newest_m = (metres + 200) // STEP_M * STEP_M
            for back, (kmh, limit_kmh) in enumerate(
                zip(reversed(trace["kmh"]), reversed(trace["limit_kmh"]), strict=True)
            ):
                at = drive.at(drive.time_at(newest_m - back * STEP_M))
                earlier = drive.at(drive.time_at(newest_m - (back + 1) * STEP_M))  # the odometer rounds
                slowest, fastest = sorted(each.speed_mps * 3.6 for each in (at, earlier))
                assert slowest - 2 <= kmh <= fastest + 2
                if not 2850 < at.distance_m - 200 < 3050 and not 3860 < at.distance_m - 200 < 4050:
                    assert limit_kmh == (50 if 3050 <= at.distance_m - 200 <= 3860 else 170)
