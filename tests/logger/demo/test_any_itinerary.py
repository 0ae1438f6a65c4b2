"""The virtual car drives any valid itinerary completely, within its limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.demo import planning
from logger.stage.itinerary import Itinerary, Section, Stage, Waypoint, dumps, load
from tests.examples import examples

KINDS = ("liaison", "selective", "neutralisation", "transfer")


@st.composite
def sections(draw: st.DrawFn) -> Section:
    length_km = draw(st.sampled_from([0.05, 0.4, 1.0, 7.3, 41.234, 80.0]))
    pairs = draw(st.lists(st.sampled_from(["dz", "dn", "dt"]), max_size=3))
    places = sorted(draw(st.lists(st.floats(0, 1), min_size=2 * len(pairs), max_size=2 * len(pairs))))
    points = []
    for i, kind in enumerate(pairs):
        first, last = (round(share * length_km, 3) for share in places[2 * i : 2 * i + 2])
        speed = draw(st.sampled_from([30.0, 50.0, 90.0])) if kind == "dz" else None
        time_s = draw(st.sampled_from([0.0, 20.0, 900.0])) if kind != "dz" else None
        points.append(Waypoint(first, kind, speed_kmh=speed, time_s=time_s))
        points.append(Waypoint(last, "f" + kind[1]))
    points += [
        Waypoint(round(share * length_km, 3), "tc") for share in draw(st.lists(st.floats(0, 1), max_size=2))
    ]
    return Section(
        kind=draw(st.sampled_from(KINDS)),
        length_km=length_km,
        target_min=draw(st.sampled_from([None, 0.5, 30.0, 90.0])),
        max_speed_kmh=draw(st.sampled_from([None, 40.0, 110.0])),
        waypoints=tuple(sorted(points, key=lambda point: point.km)),
    )


@examples(25)
@given(st.lists(sections(), min_size=1, max_size=4))
def test_any_itinerary_is_driven_within_its_limits(drawn: list[Section]) -> None:
    itinerary = Itinerary(Stage("any", max_speed_kmh=140.0), tuple(drawn))
    assert load(dumps(itinerary), "any") == itinerary  # a user could have written it
    plan = planning.plan(itinerary)
    length_m = 1000 * sum(section.length_km for section in drawn)
    assert plan.drive.at(plan.drive.end_s).distance_m == pytest.approx(length_m, abs=0.01)
    assert len(plan.passages) == sum(len(section.waypoints) for section in drawn)
    for section, (begin, end) in zip(drawn, plan.sections, strict=True):
        assert begin < end
        top = plan.drive.motion(np.arange(begin, end, 0.2))[1].max() * 3.6
        assert top <= min(section.max_speed_kmh or 140.0, 140.0)
