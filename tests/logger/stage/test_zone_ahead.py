"""A lower limit ahead: counted down to its very beginning, whatever tolerance lies around it."""

from __future__ import annotations

from typing import Any

import pytest

from firmware_bridge.records import Fix, Reading
from firmware_bridge.virtual.drive import Drive
from logger.stage.live_stage import LiveStage
from tests.logger.stage import truth
from tests.logger.stage.test_limits import ROAD, ZONED, along, steady
from tests.logger.stage.truth import live_stage, one_section, shown

COUNTED_M = (200.0, 90.0, 40.0, 5.0)


def started(marks: list[tuple[Any, ...]], *, hidden: bool) -> LiveStage:
    """A car before the start; without coordinates the crew starts the section where the car stands."""
    live = live_stage(one_section(ROAD, marks, 8000, hidden=hidden), class_name="Stock")
    if hidden:
        live.command(0, "start_section", {})
        live.progress.run = live.progress.run._replace(correction_m=-200.0)
    return live


def limits_at(live: LiveStage, drive: Drive, places_m: list[float], hz: float = 25) -> list[dict[str, Any]]:
    """The limit at the first fix from each place on."""
    left, found = sorted(places_m), []
    for metres, shot in along(live, drive, hz):
        while left and metres >= left[0]:
            found.append(shot["limit"] | {"here_m": metres})
            del left[0]
    assert not left
    return found


@pytest.mark.parametrize("hz", [1, 10])
@pytest.mark.parametrize("hidden", [False, True])
def test_the_countdown_goes_on_to_the_zone(hidden: bool, hz: float) -> None:
    places = [3000 - left for left in COUNTED_M]
    for at in limits_at(started(ZONED, hidden=hidden), steady(108), places, hz):
        left_m = 3000 - at["here_m"]
        if left_m > 0:
            assert at["approaching_m"] == pytest.approx(left_m, abs=3)
            assert at["approaching_kmh"] == 50
            assert at["warning"] is (left_m < 177)
    (inside,) = limits_at(started(ZONED, hidden=hidden), steady(108), [3012], hz)
    assert (inside["kmh"], inside["reason"], inside["free"]) == (50, "zone", True)
    assert inside["approaching_m"] is None
    assert inside["over_kmh"] == pytest.approx(58, abs=0.1)


@pytest.mark.parametrize("off_m", [-60.0, 60.0])
def test_within_the_circle_the_position_counts_not_the_odometer(off_m: float) -> None:
    marks = [(0, "dss"), (3000, "dz", {"speed_kmh": 50}), (4000, "fz"), (8000, "ass")]
    live = started(marks, hidden=False)
    drive = steady(108)
    is_wrong = False
    for metres, shot in along(live, drive):
        if metres > 1000 and not is_wrong:
            live.command(live.last_fix.t_us if live.last_fix else 0, "adjust_distance", {"metres": off_m})
            is_wrong = True
        if 2920 < metres < 2999:
            assert shot["limit"]["approaching_m"] == pytest.approx(3000 - metres, abs=3)
            assert shot["next"]["distance_km"] * 1000 == pytest.approx(3000 - metres, abs=3)


def test_the_countdown_goes_on_without_gps() -> None:
    live, drive = started(ZONED, hidden=False), steady(108)
    lost_s = drive.time_at(200 + 2930)
    wheel = [r for r in truth.wheel(drive, scale=1.0) if r.t_us < (lost_s + 20) * 1e6]
    records: list[Fix | Reading] = [*truth.fixes(drive, 10, noise=False, to_s=lost_s), *wheel]
    seen: list[tuple[float, float | None]] = []
    for record in sorted(records, key=lambda record: record.t_us):
        if isinstance(record, Reading):
            live.readings([record])
        else:
            live.fix(record)
        metres = drive.at(record.t_us / 1e6 - 0.05).distance_m - 200
        if metres > 2975 and len(seen) < 100:
            seen.append((metres, shown(live, record.t_us)["limit"]["approaching_m"]))
    left = [(metres, left_m) for metres, left_m in seen if left_m is not None]
    assert left
    assert all(left_m == pytest.approx(3000 - metres, abs=8) for metres, left_m in left)
    assert left[-1][1] < 8
    assert seen[-1][1] is None


WITHIN = [
    # another zone begins where the first ends, as an imported roadbook has it
    [(3000, "dz", {"speed_kmh": 90}), (4000, "fz"), (4000, "dz", {"speed_kmh": 50}), (5000, "fz")],
    [(3000, "dz", {"speed_kmh": 90}), (4000, "dz", {"speed_kmh": 50}), (5000, "fz")],
    [(3000, "dz", {"speed_kmh": 90}), (4000, "dz", {"speed_kmh": 50}), (5000, "fz"), (6000, "fz")],
]


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("marks", WITHIN, ids=["in turn", "change", "nested"])
def test_a_lower_limit_within_a_zone_is_counted_down_and_holds(marks: Any, hidden: bool) -> None:
    live = started([(0, "dss"), *marks, (8000, "ass")], hidden=hidden)
    places = [*(4000 - left for left in COUNTED_M), 4200.0, 4800.0, 5500.0, 6500.0]
    *ahead, within, later, after, last = limits_at(live, steady(88), places)
    for at in ahead:
        assert at["approaching_m"] == pytest.approx(4000 - at["here_m"], abs=3)
        assert at["approaching_kmh"] == 50
    assert (within["kmh"], within["approaching_m"]) == (50, None)
    assert later["kmh"] == 50
    assert after["kmh"] == (90 if len(marks) == 4 and marks[1][1] == "dz" else 170)
    assert last["kmh"] == 170


def test_a_higher_limit_within_a_zone_is_not_counted_down() -> None:
    marks = [(3000, "dz", {"speed_kmh": 50}), (4000, "dz", {"speed_kmh": 90}), (5000, "fz")]
    live = started([(0, "dss"), *marks, (8000, "ass")], hidden=True)
    before, within = limits_at(live, steady(49), [3900, 4200])
    assert (before["kmh"], before["approaching_m"]) == (50, None)
    assert within["kmh"] == 90
