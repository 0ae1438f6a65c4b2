"""Rest of a section: distance on which the clock runs, and time for which it stands still."""

from __future__ import annotations

import pytest

from logger.stage.course import Course
from logger.stage.itinerary import Section, Waypoint
from logger.stage.run import Ahead, Pause, Run, ahead
from tests.logger.stage import truth
from tests.logger.stage.truth import follow, live_stage, one_section, shown

S = 1_000_000
LENGTH_M = 100_000.0
DSS, ASS = Waypoint(0.0, "dss"), Waypoint(100.0, "ass")
Marks = list[Waypoint]


def pause(kind: str, from_km: float, to_km: float, time_s: float | None = None) -> Marks:
    """A neutralisation ("dn") or transfer ("dt") of the roadbook."""
    return [Waypoint(from_km, kind, time_s=time_s), Waypoint(to_km, {"dn": "fn", "dt": "ft"}[kind])]


def left(marks: Marks, at_km: float, now_s: float = 0.0, **more: object) -> Ahead:
    """What is left at a kilometre, the marks before it being settled."""
    course = Course(Section("selective", 100.0, waypoints=(DSS, *marks, ASS)))
    done = sum(mark.metres < at_km * 1000 for mark in course.marks)
    run = Run(started_us=0, done=done)._replace(**more)  # type: ignore[arg-type]
    return ahead(run, course, at_km * 1000, round(now_s * S))


@pytest.mark.parametrize(
    ("marks", "at_km", "counted_km", "still_km", "still_s"),
    [
        ([], 10, 90, 0, 0),
        (pause("dn", 50, 60), 10, 80, 10, 0),
        (pause("dt", 50, 60), 10, 80, 10, 0),
        (pause("dn", 50, 60, 900), 10, 80, 0, 900),
        (pause("dt", 50, 60, 900), 10, 80, 0, 900),
        (pause("dn", 50, 50, 900), 10, 90, 0, 900),
        (pause("dn", 20, 30, 900) + pause("dt", 50, 70), 10, 60, 20, 900),
        (pause("dn", 20, 30, 900) + pause("dt", 50, 70), 40, 40, 20, 0),
        (pause("dn", 20, 30, 900) + pause("dn", 50, 70, 600), 0, 70, 0, 1500),
        (pause("dt", 80, 100), 10, 70, 20, 0),
        (pause("dt", 50, 60), 99, 1, 0, 0),
        (pause("dt", 50, 60), 100.5, 0, 0, 0),
    ],
)
def test_a_pause_ahead_stops_the_clock(
    marks: Marks, at_km: float, counted_km: float, still_km: float, still_s: float
) -> None:
    assert left(marks, at_km) == Ahead(counted_km * 1000, still_km * 1000, round(still_s * S))


@pytest.mark.parametrize(
    ("allowed_s", "now_s", "counted_km", "still_km", "still_s"),
    [
        (None, 0, 40, 5, 0),
        (None, 5000, 40, 5, 0),
        (900, 0, 40, 0, 900),
        (900, 899, 40, 0, 1),
        (900, 900, 45, 0, 0),  # late: the clock runs again, wherever the car is
        (900, 2000, 45, 0, 0),
    ],
)
@pytest.mark.parametrize("kind", ["dn", "dt"])
def test_within_a_pause(
    kind: str, allowed_s: float | None, now_s: float, counted_km: float, still_km: float, still_s: float
) -> None:
    allowed_us = None if allowed_s is None else round(allowed_s * S)
    begun = Pause(kind, 0, 50_000.0, 0, allowed_us)
    found = left(pause(kind, 50, 60, allowed_s), 55, now_s, pauses=(begun,))
    assert found == Ahead(counted_km * 1000, still_km * 1000, round(still_s * S))


def test_a_missed_beginning_stops_no_clock() -> None:
    assert left(pause("dt", 50, 60), 55) == Ahead(45_000, 0, 0)


@pytest.mark.parametrize(
    ("opens", "closes", "time_s"), [("dn", "fn", 120.0), ("dt", "ft", None), ("dt", "ft", 60.0)]
)
def test_the_required_average_is_that_of_the_road_that_counts(
    opens: str, closes: str, time_s: float | None
) -> None:
    """The page shows the average speed required for the rest of the target time."""
    drive = truth.planned(truth.road(20_000), [(20, 0.0), (6, 90.0), (500, 90.0), (5, 0.0)])
    time = {} if time_s is None else {"time_s": time_s}
    marks = [(0, "dss"), (4000, opens, time), (6000, closes), (9000, "ass")]
    live = live_stage(one_section(drive.path, marks, 9000, target_min=5))
    follow(live, truth.fixes(drive, 10, noise=False, to_s=100))
    section = shown(live, 100 * S)["section"]
    left_m, left_s = 7000 - section["distance_km"] * 1000, 300 - section["elapsed_s"]
    assert section["required_kmh"] == pytest.approx(left_m / left_s * 3.6, rel=1e-3)
