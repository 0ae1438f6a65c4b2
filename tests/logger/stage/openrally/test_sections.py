"""Sections, zones, target times and the odometer of OpenRally files."""

from __future__ import annotations

import pytest

from logger.stage import itinerary
from tests.logger.stage.openrally.route_files import imported, warned, wpt
from tests.logger.stage.openrally.routes_read import points


def test_sections_follow_the_timed_parts() -> None:
    route = imported(
        wpt(0, "tc"), wpt(12.5, "cp"), wpt(320, "dss"), wpt(363, "cp name='CP1'"), wpt(666, "ass"),
        wpt(700, "dss"), wpt(710, "ass", "tc"), wpt(720, "cp"), total="882", title=" A  stage ",
    )  # fmt: skip
    assert not route.warnings
    assert route.itinerary.stage.name == "A stage"
    assert [(section.kind, section.length_km) for section in route.itinerary.sections] == [
        ("liaison", 320), ("selective", 346), ("liaison", 34), ("selective", 10), ("liaison", 172),
    ]  # fmt: skip
    assert points(route.itinerary) == [
        ("tc", 0), ("cp", 12.5), ("dss", 0), ("cp", 43), ("ass", 346),
        ("dss", 0), ("ass", 10), ("tc", 0), ("cp", 10),
    ]  # fmt: skip


def test_marks_at_one_place_are_in_driving_order() -> None:
    route = imported(wpt(0, "dz=50"), wpt(10, "dz=30", "wpe", "dss", "fz"), wpt(20, "fz", "ass", "cp"))
    assert points(route.itinerary) == [
        ("dz", 0), ("fz", 10), ("dss", 0), ("wpe", 0), ("dz", 0), ("fz", 10), ("cp", 10), ("ass", 10),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        (
            (wpt(8, "dz=50"), wpt(12, "fz")),
            [("dss", 0), ("dz", 8), ("ass", 10), ("fz", 10), ("dz", 0), ("fz", 2)],
        ),
        ((wpt(10, "dz=50"), wpt(12, "fz")), [("dss", 0), ("ass", 10), ("dz", 0), ("fz", 2)]),
        ((wpt(8, "dz=50"), wpt(10, "fz")), [("dss", 0), ("dz", 8), ("ass", 10), ("fz", 10)]),
    ],
)
def test_a_zone_over_the_end_of_a_section_is_cut_in_two(
    zone: tuple[str, str], expected: list[tuple[str, float]]
) -> None:
    ass = wpt(10, "ass")
    first = (zone[0], ass) if "<o:distance>8<" in zone[0] else (ass, zone[0])
    result = imported(wpt(0, "dss"), *first, zone[1], wpt(30, "cp"))
    assert points(result.itinerary)[:-1] == expected
    assert not any("without" in what for what in warned(result))
    speeds = {
        p.speed_kmh for section in result.itinerary.sections for p in section.waypoints if p.kind == "dz"
    }
    assert speeds == {50}
    assert itinerary.load(itinerary.dumps(result.itinerary), "x.toml") == result.itinerary


def test_target_times_run_from_control_to_control() -> None:
    route, warnings = imported(
        wpt(0, "timecontrol allowed='60'"), wpt(40, "timecontrol allowed='35'"),
        wpt(60, "dss", "tc allowed='90'"), wpt(100, "ass", "tc allowed='20'"), wpt(130, "tc"),
    )  # fmt: skip
    assert [section.target_min for section in route.sections] == [95, 90, 20]
    assert not warnings
    route, warnings = imported(wpt(0, "tc allowed='60'"), wpt(40, "dss"), wpt(60, "ass"), wpt(80, "tc"))
    assert [section.target_min for section in route.sections] == [60, None, None]
    assert [str(w) for w in warnings] == [
        "line 3: the 60 minutes allowed extend into a timed section: used for the road up to its start"
    ]


@pytest.mark.parametrize(
    ("distances", "kilometres"),
    [
        ([("0", "cp"), ("12.300000000000001", "cp"), ("17.123456789012345", "cp")], [0, 12.3, 17.123]),
        (
            [("0", "cp"), ("10", "cp", "reset"), ("5", "cp"), ("6", "cp", "reset=2"), ("3", "cp")],
            [0, 10, 15, 16, 17],
        ),
        ([("0", "cp"), ("10", "cp", "resettozero"), ("5", "cp")], [0, 10, 15]),
        ([("0", "cp"), ("10", "cp"), ("2", "cp"), ("4", "cp")], [0, 10, 12, 14]),
        ([("0", "cp"), ("10", "cp"), ("9.9", "cp"), ("11", "cp")], [0, 10, 10, 11]),
        ([("0", "cp"), (".5", "cp"), ("1e1", "cp"), ("+11.", "cp")], [0, 0.5, 10, 11]),
    ],
)
def test_the_odometer_unwinds_resets(distances: list[tuple[str, ...]], kilometres: list[float]) -> None:
    route = imported(*(wpt(km, *elements) for km, *elements in distances)).itinerary
    assert [km for _, km in points(route)] == pytest.approx(kilometres, abs=1e-9)


def test_points_without_distances_are_measured_with_a_warning() -> None:
    """Versions 0.1 and 0.2 have none or may leave them out."""
    result = imported(wpt(None, "dss", at=0), wpt(None, "cp", at=7), wpt(None, "ass", at=30))
    assert [km for _, km in points(result.itinerary)] == pytest.approx([0, 7, 30], rel=0.001)
    assert any("3 points without a distance" in what for what in warned(result))


def test_the_form_with_the_roadbook_is_read_and_the_others_named() -> None:
    book = [wpt(0, "dss", form="rtept"), wpt(9, "ass", form="rtept")]
    track = (
        "<trk><name>track</name><trkseg>"
        + wpt(0, "cp", form="trkpt")
        + "<trkpt lat='1' lon='2'/></trkseg></trk>"
    )
    result = imported(
        "<wpt lat='1' lon='2'/><wpt lat='1' lon='2'/>", "<rte><name>Day 3</name>", *book, "</rte>", track
    )
    assert points(result.itinerary) == [("dss", 0), ("ass", 9)]
    assert result.itinerary.stage.name == "Day 3"
    assert warned(result) == [
        "1 trkpt points without OpenRally data ignored",
        "2 wpt points without OpenRally data ignored",
        "the trkpt points are ignored: the rtept points are the roadbook",
    ]


def test_a_track_with_the_roadbook_in_it() -> None:
    track = ["<trk><trkseg>", wpt(0, "dss", form="trkpt"), wpt(9, "ass", form="trkpt"), "</trkseg></trk>"]
    assert points(imported(*track).itinerary) == [("dss", 0), ("ass", 9)]
