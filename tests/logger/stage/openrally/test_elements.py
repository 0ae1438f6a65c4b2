"""Elements of OpenRally: the official example, each element and namespace of the schema, all spellings, units."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.stage import itinerary
from logger.stage.itinerary import Itinerary, Waypoint
from logger.stage.openrally.elements import ELEMENTS
from logger.stage.openrally.read import read
from tests.logger.stage.openrally.route_files import V103, imported, warned, wpt
from tests.logger.stage.openrally.routes_read import points

CORPUS = Path(__file__).parents[4] / "../shared/corpus/openrally"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this checkout")


def only(route: Itinerary) -> Waypoint:
    """The single waypoint of a route."""
    (found,) = [point for section in route.sections for point in section.waypoints]
    return found


@needs_corpus
def test_the_official_example_is_read_completely() -> None:
    with (CORPUS / "example_v1.0.3.gpx").open("rb") as stream:
        route, warnings = read(stream, "example.gpx")
    assert route.stage.name == "example"
    (section,) = route.sections
    assert (section.kind, section.length_km) == ("liaison", 70.6)
    assert [point.position for point in section.waypoints] == [None] * len(section.waypoints)
    assert points(route) == [
        ("dz", 0.1), ("fz", 0.2), ("wps", 0.3), ("dn", 0.5), ("fn", 0.51),
        ("dn", 0.51), ("dz", 0.51), ("fz", 0.51), ("fn", 0.51),
        ("dt", 0.51), ("dz", 0.51), ("fz", 0.51), ("ft", 0.51),
        ("wpm", 10), ("wps", 20), ("wpc", 30), ("wpv", 40), ("wpe", 50), ("wpn", 60), ("wpp", 70),
        ("wpe", 70.6), ("wpm", 70.6), ("wps", 70.6), ("wpc", 70.6), ("cp", 70.6), ("tc", 70.6), ("tc", 70.6),
    ]  # fmt: skip
    assert section.waypoints[0] == Waypoint(0.1, "dz", speed_kmh=65)
    assert section.waypoints[2] == Waypoint(0.3, "wps", open_m=800, clear_m=90)
    assert section.waypoints[3] == Waypoint(0.5, "dn", time_s=900)
    assert section.waypoints[6] == Waypoint(0.51, "dz", speed_kmh=40)
    assert section.waypoints[13:20] == tuple(
        Waypoint(km, kind, name=name, open_m=1000, clear_m=50)
        for km, kind, name in [
            (10, "wpm", "1"), (20, "wps", "2"), (30, "wpc", "3"), (40, "wpv", "4"), (50, "wpe", "5"),
            (60, "wpn", "6"), (70, "wpp", "7"),
        ]
    )  # fmt: skip
    assert section.waypoints[21:24] == (
        Waypoint(70.6, "wpm", name="XYZ", open_m=800, clear_m=200),
        Waypoint(70.6, "wps", name="K99", open_m=800, clear_m=20),
        Waypoint(70.6, "wpc", name="ABC", clear_m=20),
    )
    assert [str(warning) for warning in warnings] == [
        "the file states 33.86 km in total, its points reach 70.6 km",
        "line 15: no position (or 0, 0) for 21 points: only their kilometres are used",
        "line 32: the clear circles of dz (90 m) and fz (90 m) overlap: they are 100 m apart",
        'line 40: ignored, not used in an itinerary: "cap" x 1, "danger" x 1, "fuel" x 3,'
        ' "notes" x 2, "show_coordinates" x 1, "stop" x 2, "tulip" x 2',
        "line 41: the clear circles of fz (90 m) and wps (90 m) overlap: they are 100 m apart",
        "line 64: the clear circles of dn (90 m) and fn (90 m) overlap: they are 10 m apart",
        "line 69: the distance goes back from 0.51 to 0.5 km without a reset: the previous distance is kept",
        "line 86: the distance goes back from 0.51 to 0.5 km without a reset: the previous distance is kept",
        "line 147: the distance goes back from 70 to 0.6 km without a reset: treated as a reset",
        "line 182: the distance 0.35 of a reset counts from the reset itself: the road to it is measured straight",
        "line 190: dss with no road between start and finish: left out",
        "line 192: ass with no road between start and finish: left out",
        "line 194: the 60 minutes allowed extend past the end of a section: left out",
    ]


@needs_corpus
def test_every_element_of_the_schema_is_carried_or_named_as_ignored() -> None:
    schema = (CORPUS / "openrally_v1.0.3.xsd").read_text()
    schema = re.sub("<!--.*?-->", "", schema, flags=re.DOTALL)
    elements = re.findall(r'<xs:element name="(\w+)"', schema)
    kinds = {ELEMENTS[element].kind for element in elements if element != "units"} - {""}
    values = {
        element
        for element in elements
        if element == "units" or (ELEMENTS[element].states and not ELEMENTS[element].kind)
    }
    nowhere = {element for element in elements if element not in values and not ELEMENTS[element].kind}
    assert (len(elements), len(kinds), len(values), len(nowhere)) == (34, 17, 4, 13)

    carried = [
        "dss",
        "wpv",
        "wpe",
        "wpm",
        "wps",
        "wpc",
        "wpn",
        "wpp",
        "checkpoint",
        "timecontrol",
        "dz=30",
        "fz",
    ]
    carried += ["neutralization=60", "fn", "dt", "ft", "ass"]
    route, warnings = imported(
        *(wpt(km, element) for km, element in enumerate(carried)), wpt(20, *sorted(nowhere))
    )
    assert {kind for kind, _ in points(route)} == kinds
    named = ", ".join(f'"{element}" x 1' for element in sorted(nowhere))
    assert [str(w) for w in warnings] == [f"line 20: ignored, not used in an itinerary: {named}"]


@pytest.mark.parametrize(
    "namespace",
    [
        "http://www.openrally.org/xmlschemas/GpxExtensions/v0.1",
        "http://www.openrally.org/xmlschemas/GpxExtensions/v0.2",
        "http://www.openrally.org/xmlschemas/GpxExtensions/v0.2-DRAFT",
        "http://www.openrally.org/xmlschemas/GpxExtensions/v1.0-Cross-Country-DRAFT",
        "http://www.openrally.org/xmlschemas/GpxExtensions/v1.0.2",
        V103,
        "http://www.openrally.org",
        "http://www.topografix.com/GPX/1/1",  # elements that were written without a prefix
    ],
)
def test_every_namespace_is_the_same_format(namespace: str) -> None:
    route = imported(wpt(0, "dss"), wpt(12, "wpm open='800' clear='90'"), wpt(20, "ass"), namespace=namespace)
    assert points(route.itinerary) == [("dss", 0), ("wpm", 12), ("ass", 20)]
    assert not route.warnings


def test_extensions_of_other_programs_are_not_openrally() -> None:
    point = wpt(3, "cp").replace(
        "<extensions>", "<extensions><g:speed xmlns:g='http://garmin.com/x/v3'>9</g:speed>"
    )
    route = imported(point)
    assert only(route.itinerary).kind == "cp"
    assert not route.warnings[1:], route.warnings


@pytest.mark.parametrize(
    ("element", "kind"),
    [
        ("startspecialstage", "dss"), ("finishspecialstage", "ass"),
        ("checkpoint", "cp"), ("cp", "cp"), ("passagecontrol", "cp"),
        ("waypointeclipse", "wpe"), ("waypointsafety", "wps"), ("waypointmasked", "wpm"), ("WPM", "wpm"),
        ("timecontrol", "tc"), ("neutralization=60", "dn"), ("sn=60", "dn"), ("dn=60", "dn"),
        ("wpv", "wpv"), ("wpn", "wpn"), ("wpp", "wpp"), ("wpc", "wpc"), ("dt", "dt"), ("dz=50", "dz"),
    ],
)  # fmt: skip
def test_every_spelling_of_a_kind(element: str, kind: str) -> None:
    route = imported(wpt(0, "cp"), wpt(5, element), wpt(9, "cp")).itinerary
    assert (kind, 5) in points(route) or kind in ("dss", "ass")
    assert any(point.kind == kind for section in route.sections for point in section.waypoints)


@pytest.mark.parametrize(
    "zone",
    [("dz", "speed=65"), ("speed=65", "dz"), ("dz=65",), ("dz", "speed kph='65'"), ("dz=65", "speed=90")],
)
def test_every_spelling_of_a_zones_limit(zone: tuple[str, ...]) -> None:
    route, warnings = imported(wpt(0, "cp"), wpt(5, *zone), wpt(9, "fz"))
    assert route.sections[0].waypoints[1].speed_kmh == 65
    assert [remark.what for remark in warnings if "two limits" in remark.what] == (
        ["two limits for one zone, 65 and 90 km/h: the lower one is used"] if "speed=90" in zone else []
    )


def test_a_speed_alone_inside_a_zone_changes_its_limit() -> None:
    """Version 0.1's own example."""
    route = imported(wpt(1, "dz", "speed=65"), wpt(3, "speed=110"), wpt(6, "fz")).itinerary
    assert points(route) == [("dz", 1), ("fz", 3), ("dz", 3), ("fz", 6)]
    assert [point.speed_kmh for point in route.sections[0].waypoints] == [65, None, 110, None]


@pytest.mark.parametrize("units", ["statute", "statue", "Statute", " statute "])
def test_statute_miles_yards_and_mph(units: str) -> None:
    route = imported(wpt(10, "dz clear='100' open='1000'", "speed=30"), wpt(20, "fz"), units=units).itinerary
    first, last = route.sections[0].waypoints
    assert (first.km, first.speed_kmh, first.clear_m, first.open_m) == (16.093, 48.28032, 91.44, 914.4)
    assert last.km == route.sections[0].length_km == 32.187


def test_units_are_never_guessed_but_metric_where_none_are_named() -> None:
    with pytest.raises(
        ConfigurationError, match=r'^route.gpx:2: unknown units \'furlongs\'; write "metric" or'
    ):
        imported(wpt(10, "cp"), units="furlongs")
    result = imported(wpt(10, "cp"), units=None)
    assert only(result.itinerary).km == 10
    assert "the file names no units: kilometres, km/h and metres assumed" in warned(result)


def test_pauses() -> None:
    """`neutralization` opens with its seconds, `fn` closes; Rally Navigator times a `dt`; 0 s is no time."""
    route = imported(
        wpt(0, "dss"), wpt(1, "neutralization=900"), wpt(2, "fn"), wpt(3, "dt time='600'"), wpt(4, "ft"),
        wpt(5, "neutralization=0"), wpt(6, "fn"), wpt(7, "ass"),
    )  # fmt: skip
    found = [(point.kind, point.time_s) for point in route.itinerary.sections[0].waypoints[1:-1]]
    assert found == [("dn", 900), ("fn", None), ("dt", 600), ("ft", None), ("dn", None), ("fn", None)]
    assert not route.warnings


@pytest.mark.parametrize(
    ("element", "gpx_name", "name"),
    [
        ("wpm name='1'", "", "1"), ("wpm name='001'", "", "001"), ("wpm", "001", "001"),
        ("wpm name='7'", "001", "7"), ("wpm name=' '", "", ""), ("wpm", "", ""),
        ("wpm name='a&#10;b'", "", "a\nb"), ("wpm name='Ø &lt;é'", "", "Ø <é"),
    ],
)  # fmt: skip
def test_names_stay_text(element: str, gpx_name: str, name: str) -> None:
    result = imported(wpt(3, element, name=gpx_name))
    assert only(result.itinerary).name == name
    assert itinerary.load(itinerary.dumps(result.itinerary), "x.toml") == result.itinerary
