"""Routes of other programs become itineraries: `tests/field_cases/routes` and variants."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.stage import itinerary
from logger.stage.itinerary import Section, Waypoint
from logger.stage.openrally.read import Imported, read
from tests.logger.stage.openrally.route_files import gpx, imported, warned, wpt

CASES = Path(__file__).parents[3] / "field_cases" / "routes"
KM_DEG = 1 / 110.7
"""A kilometre north at 20 degrees of latitude, good to 0.2 %."""


def case(name: str) -> Imported:
    with (CASES / f"{name}.gpx").open("rb") as stream:
        result = read(stream, name)
    assert itinerary.load(itinerary.dumps(result.itinerary), "back.toml") == result.itinerary
    return result


def plain(points: list[tuple[float, str]], *, track: bool = True, labels: str = "desc") -> Imported:
    """A file without OpenRally's elements: (km, "name|label") north along a meridian, beside a track of 30 km."""
    body = ""
    for km, text in points:
        name, _, label = text.partition("|")
        elements = f"<name>{name}</name>" + (f"<{labels}>{label}</{labels}>" if label else "")
        body += f'<wpt lat="{20 + km * KM_DEG:.7f}" lon="45">{elements}</wpt>\n'
    if track:
        line = "".join(f'<trkpt lat="{20 + km * KM_DEG:.7f}" lon="45"/>' for km in range(31))
        body += f"<trk><trkseg>{line}</trkseg></trk>"
    file = f'<gpx xmlns="http://www.topografix.com/GPX/1/1" version="1.1">{body}</gpx>'
    return read(BytesIO(file.encode()), "plain.gpx")


def only(result: Imported) -> Waypoint:
    (found,) = [
        point for section in result.itinerary.sections for point in section.waypoints if point.kind != "ass"
    ]
    return found


def shape(result: Imported) -> list[tuple[str, float]]:
    return [(section.kind, round(section.length_km, 1)) for section in result.itinerary.sections]


def timed(result: Imported) -> Section:
    (section,) = [section for section in result.itinerary.sections if section.kind == "selective"]
    return section


def test_names_carry_kind_radius_and_kilometre() -> None:
    result = case("names-rallyblitz")
    section = timed(result)
    assert shape(result)[0][0] == "liaison"
    assert result.itinerary.sections[0].length_km == pytest.approx(1, rel=0.01)
    assert [point.kind for point in section.waypoints] == ["dss", "wpm", "wps", "dz", "fz", "ass"]
    assert [point.km for point in section.waypoints] == pytest.approx([0, 4, 7, 9, 11, 28], rel=0.01)
    assert section.waypoints[1].clear_m == 90
    assert section.waypoints[1].name == "3"
    assert section.waypoints[3].speed_kmh == 90
    assert warned(result) == ["7 points without a distance: measured along the line of the route"]


def test_a_track_alone_is_one_liaison() -> None:
    result = case("track-only")
    (section,) = result.itinerary.sections
    assert (section.kind, section.waypoints) == ("liaison", ())
    assert section.length_km == pytest.approx(30, rel=0.01)
    assert warned(result) == ["no dss and no ass: one liaison of 29.869 km, the length of the track"]


def test_missing_distances_are_measured_along_the_track() -> None:
    section = timed(case("no-distance-but-track"))
    assert [point.km for point in section.waypoints] == pytest.approx([0, 23.17, 69.48], abs=0.02)


def test_a_speed_with_its_unit() -> None:
    section = timed(case("speed-with-unit"))
    assert [point.speed_kmh for point in section.waypoints] == [None, 50, None, None]
    assert [point.name for point in section.waypoints] == ["Départ", "Été", "", "Arrivée"]


def test_a_decimal_comma() -> None:
    result = case("decimal-comma")
    assert [point.km for point in timed(result).waypoints] == [0, 9.25, 11, 28]
    assert timed(result).waypoints[1].position == (20.089936, 45.0)
    assert warned(result) == ["14 numbers written with a decimal comma: read as with a point"]


def test_gpx_1_0_has_its_elements_under_the_waypoint() -> None:
    result = case("gpx10-children-of-wpt")
    assert shape(result) == [("liaison", 1), ("selective", 28)]
    assert [(point.kind, point.km) for point in timed(result).waypoints] == [
        ("dss", 0), ("dz", 9), ("fz", 11), ("ass", 28),
    ]  # fmt: skip


def test_minutes_between_two_timed_sections_are_the_liaisons() -> None:
    sections = case("two-sections-times").itinerary.sections
    assert [section.kind for section in sections] == [
        "liaison", "selective", "liaison", "selective", "liaison",
    ]  # fmt: skip
    assert [section.target_min for section in sections] == [65, None, 30, None, None]


def test_distances_that_only_fit_as_metres() -> None:
    result = case("distance-in-metres")
    assert shape(result) == [("liaison", 1), ("selective", 28), ("liaison", 1)]
    assert warned(result) == ["the distances only fit the route as metres: read as metres"]


def test_metres_need_proof() -> None:
    """A winding road, hidden positions and one place for all are no proof; a day's route in metres without them is."""
    winding = imported(wpt(0, "dss", at=0), wpt(40, "cp", at=8), wpt(80, "ass", at=0))
    assert timed(winding).length_km == 80
    hidden = "<wpt lat='0' lon='0'><extensions><o:distance>{}</o:distance><o:{}/></extensions></wpt>\n"
    route = imported(wpt(0, "dss"), wpt(0.02, "cp"), hidden.format(150, "cp"), hidden.format(346, "ass"))
    assert timed(route).length_km == 346
    route = imported(hidden.format(0, "dss"), hidden.format(346000, "ass"))
    assert timed(route).length_km == 346


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("WPM3:90:5.00|WP3", "wpm", "3"),
        ("wpm 12", "wpm", "12"),
        ("WPS:90|!!!", "wps", ""),
        ("CP1", "cp", "1"),
        ("CP-2", "cp", "2"),
        ("WPE Dune", "wpe", "Dune"),
        ("17|WPN", "wpn", "17"),
        ("PC4", "cp", "4"),
        ("TC2", "tc", "2"),
        ("CH 3", "tc", "3"),
        ("WPP", "wpp", ""),
    ],
)
def test_kinds_in_names(text: str, kind: str, name: str) -> None:
    found = only(plain([(5, text), (29, "ASS")]))
    assert (found.kind, found.name) == (kind, name)
    assert found.km == pytest.approx(5, abs=0.02)


@pytest.mark.parametrize("label", ["desc", "cmt", "sym", "type"])
def test_kinds_beside_names(label: str) -> None:
    assert only(plain([(5, "014|WPC"), (29, "ASS")], labels=label)).kind == "wpc"


@pytest.mark.parametrize(
    "text",
    ["1|", "Ft Worth town|300 FT", "TCL|CH", "House|assistance", "WP3|danger", "Camp|Dz of sand", "SS1"],
)
def test_texts_that_are_not_a_kind(text: str) -> None:
    result = plain([(5, text), (29, "ASS")])
    assert [point.kind for point in timed(result).waypoints] == ["ass"]


@pytest.mark.parametrize(
    ("text", "speed_kmh"),
    [
        ("DZ50", 50),
        ("DZ 30 km/h", 30),
        ("DSZ:50|SZ50", 50),
        ("DSZ:90|SZ30", 30),
        ("12|DZ 90", 90),
        ("DZ|50", 50),
        ("DZ:120|Speed limit 40kmh", 40),
    ],
)
def test_the_limit_of_a_zone_in_a_name(text: str, speed_kmh: float) -> None:
    result = plain([(0, "DSS"), (5, text), (8, "FSZ"), (29, "FSS")])
    zone = timed(result).waypoints[1]
    assert (zone.kind, zone.speed_kmh) == ("dz", speed_kmh)


def test_a_zone_without_a_speed_in_its_name_must_be_completed_by_the_crew() -> None:
    result = plain([(0, "DSS"), (5, "DSZ:90"), (8, "FSZ"), (29, "ASS")])
    assert timed(result).waypoints[1].speed_kmh is None
    assert any("dz without a speed" in what for what in warned(result))


def test_open_and_clear_radii() -> None:
    found = only(plain([(5, "WPM7:800:60:5.02"), (29, "ASS")]))
    assert (found.open_m, found.clear_m) == (800, 60)


def test_names_state_other_kilometres_than_the_track() -> None:
    result = plain([(0, "DSS"), (5, "WPM1:90:9.00"), (29, "ASS")])
    assert timed(result).waypoints[1].km == pytest.approx(5, abs=0.02)
    assert "the kilometres in 1 names differ from the track: the track's are used" in warned(result)


def test_names_without_a_track_have_their_own_kilometres() -> None:
    result = plain([(0, "DSS"), (5, "WPM1:90:7.50"), (10, "ASS")], track=False)
    assert [point.km for point in timed(result).waypoints] == pytest.approx([0, 7.5, 12.5], abs=0.03)


def test_waypoints_in_any_order_are_sorted_along_the_track() -> None:
    result = plain([(29, "ASS"), (12, "FZ"), (10, "DZ50"), (1, "DSS"), (5, "WPM1")])
    assert [point.kind for point in timed(result).waypoints] == ["dss", "wpm", "dz", "fz", "ass"]
    assert "the waypoints are not in the order of the track: sorted along it" in warned(result)


def test_a_route_is_a_line_too() -> None:
    points = "".join(f'<rtept lat="{20 + km * KM_DEG:.7f}" lon="45"/>' for km in range(11))
    file = f'<gpx xmlns="http://www.topografix.com/GPX/1/1" version="1.1"><rte>{points}</rte></gpx>'
    (section,) = read(BytesIO(file.encode()), "route.gpx").itinerary.sections
    assert section.length_km == pytest.approx(10, rel=0.005)


def test_waypoints_without_kinds_beside_a_track() -> None:
    result = plain([(5, "Fuel"), (9, "Camp")])
    assert shape(result) == [("liaison", 30)]
    (warning,) = warned(result)
    assert "the 2 waypoints name no kind" in warning


def test_a_line_too_long_for_one_day_is_ignored() -> None:
    line = "".join(f'<trkpt lat="0" lon="{lon}"/>' for lon in (0, 90, -90, 0))
    with pytest.raises(ConfigurationError, match="there is no track"):
        read(BytesIO(gpx(f"<trk><trkseg>{line}</trkseg></trk>")), "world.gpx")


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        ("dz=30 mph", 48.28032),
        ("dz=50km/h", 50),
        ("dz=50 KPH", 50),
        ("dz=50,5", 50.5),
    ],
)
def test_numbers_with_units(element: str, expected: float) -> None:
    result = imported(wpt(0, "dss"), wpt(5, element), wpt(7, "fz"), wpt(9, "ass"))
    assert timed(result).waypoints[1].speed_kmh == pytest.approx(expected)


@pytest.mark.parametrize(
    ("time", "time_s"), [("900", 900), ("15:00", 900), ("15 min", 900), ("0:15:00", 900)]
)
def test_the_length_of_a_pause(time: str, time_s: float) -> None:
    result = imported(wpt(0, "dss"), wpt(5, f"neutralization={time}"), wpt(7, "fn"), wpt(9, "ass"))
    assert timed(result).waypoints[1].time_s == time_s


def test_distances_with_units() -> None:
    result = imported(wpt("0 km", "dss", at=0), wpt("9.5 km", "ass", at=9.5))
    assert timed(result).length_km == 9.5
    assert not result.warnings
