"""Reading OpenRally files: the official example, all known spellings, sections, odometer, lint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from logger.stage import itinerary
from logger.stage.itinerary import Itinerary, Section, Waypoint
from logger.stage.openrally.elements import ELEMENTS
from logger.stage.openrally.read import MAX_REMARKS, Imported, import_route, read
from logger.tomlconfig.schema import TomlError
from tests.examples import examples
from tests.logger.stage.openrally.route_files import V103, gpx, imported, warned, wpt

CORPUS = Path(__file__).parents[4] / "../shared/corpus/openrally"
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this checkout")


def points(route: Itinerary) -> list[tuple[str, float]]:
    return [(point.kind, point.km) for section in route.sections for point in section.waypoints]


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


GOOD: Mapping[float, list[str]] = {
    0: ["dss"],
    2: ["wpm clear='90'"],
    4: ["dz", "speed=50"],
    5: ["fz"],
    6: ["neutralization=60"],
    7: ["fn"],
    9: ["ass"],
}


def book(changes: Mapping[float, list[str] | None]) -> Imported:
    """The good route with the notes at some kilometres changed, added or taken out."""
    notes: dict[float, list[str] | None] = {**GOOD, **changes}
    return imported(*(wpt(km, *note) for km, note in sorted(notes.items()) if note is not None))


def test_a_good_route_has_no_warnings() -> None:
    assert not book({}).warnings


@pytest.mark.parametrize(
    ("changes", "line", "warning"),
    [
        ({4: ["dz"]}, 5, "dz without a speed: add its speed_kmh to the itinerary before use"),
        ({5: ["fz", "speed=90"]}, 6, "fz with a speed (90 km/h): left out"),
        ({5: ["fz kph='90'"]}, 6, "fz has no speed of its own: left out"),
        ({2: ["wpm", "speed=90"]}, 4, "speed 90 km/h outside a zone: left out"),
        ({4: None}, 5, "fz without a dz before it: left out"),
        ({5: None}, 5, "dz without an fz: holds to the next dz or the end of its section"),
        ({6: None}, 7, "fn without a dn before it: left out"),
        ({7: None}, 7, "dn without an fn: ends where it begins"),
        ({6: ["dt"], 7: None}, 7, "dt without an ft: ends where it begins"),
        ({0: None}, 8, "ass without a dss before it: timed from the end of the last section"),
        ({9: None}, 3, "dss without an ass: timed to the end of the route"),
        ({3: ["dss"]}, 3, "dss without an ass before the next dss"),
        ({0: None, 9: None}, None, "no dss and no ass: the whole route becomes one liaison"),
        (
            {2.15: ["wps clear='70'"]},
            5,
            "the clear circles of wpm (90 m) and wps (70 m) overlap: they are 150 m apart",
        ),
    ],
)
def test_lint(changes: Mapping[float, list[str] | None], line: int | None, warning: str) -> None:
    result = book(changes)
    assert (line, warning) in result.warnings
    if "dz without a speed" not in warning:
        assert itinerary.load(itinerary.dumps(result.itinerary), "x.toml") == result.itinerary


def test_circles_that_only_touch_do_not_overlap() -> None:
    """The limit itself, by kilometres: the points have no position."""
    near, far = (
        imported(*(wpt(km, "wpm clear='100'").replace("lat=", "was=") for km in kms))
        for kms in ((0, 0.199), (0, 0.2))
    )
    assert any("overlap" in what for what in warned(near))
    assert not any("overlap" in what for what in warned(far))


def test_an_unended_zone_holds_to_the_next_one_or_to_the_end_of_its_section() -> None:
    route = imported(wpt(0, "dss"), wpt(2, "dz=50"), wpt(5, "dz=30"), wpt(9, "ass"), wpt(12, "cp")).itinerary
    assert points(route)[:6] == [("dss", 0), ("dz", 2), ("fz", 5), ("dz", 5), ("fz", 9), ("ass", 9)]


def test_a_dz_without_speed_must_be_completed_by_the_crew() -> None:
    """No limit is assumed: the only violation that makes an itinerary invalid reports where to fix it."""
    toml, _ = import_route(BytesIO(gpx(wpt(1, "dz"), wpt(3, "fz"))), "route.gpx")
    with pytest.raises(ConfigurationError, match="add speed_kmh = the zone's limit"):
        itinerary.load(toml, "stage.toml")


NORTH = wpt(2, "cp").replace("lat='24.5'", "%s")


@pytest.mark.parametrize(
    ("point", "warning"),
    [
        (wpt("NaN", "cp", at=0), "distance 'NaN' of \"distance\" is not a number: left out"),
        (wpt("1_0", "cp", at=0), "distance '1_0' of \"distance\" is not a number: left out"),
        (wpt("٣", "cp", at=0), "distance '٣' of \"distance\" is not a number: left out"),
        (wpt("-1", "cp", at=0), "distance '-1' of \"distance\" is not between 0 and 5000: left out"),
        (wpt("inf", "cp", at=0), "distance 'inf' of \"distance\" is not a number: left out"),
        (wpt("1e400", "cp", at=0), "distance '1e400' of \"distance\" is not between 0 and 5000: left out"),
        (wpt("9" * 250, "cp", at=0), f"distance '{'9' * 200}…' of \"distance\" is not a number: left out"),
        (wpt(2, "wpm open='0'"), "open '0' of \"wpm\" is not between 1 and 20000: left out"),
        (wpt(2, "wpm clear='a&#10;b'"), "clear 'a\\nb' of \"wpm\" is not a number: left out"),
        (NORTH % "lat='nan'", "lat 'nan' of \"wpt\" is not a number: left out"),
        (NORTH % "lat='91'", "lat '91' of \"wpt\" is not between -90 and 90: left out"),
        (NORTH % "", "no position (or 0, 0) for 1 points: only their kilometres are used"),
        (wpt(2, "cp speed='x'", "frobnicate"), 'ignored, unknown elements: "frobnicate" x 1'),
        (wpt(2, "wpm time='60'"), "wpm has no time of its own: left out"),
    ],
)  # fmt: skip
def test_one_bad_value_is_left_out_with_its_line(point: str, warning: str) -> None:
    result = imported(wpt(0, "dss"), point, wpt(9, "ass"))
    found = [remark for remark in result.warnings if remark.what == warning]
    assert len(found) == 1, result.warnings
    assert found[0].line == 4
    assert "\n" not in str(found[0])
    assert [kind for kind, _ in points(result.itinerary)][::2] == ["dss", "ass"]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (gpx(), "no point has OpenRally elements or a kind in its name"),
        (
            gpx("<wpt lat='1' lon='2'><name>1</name></wpt>"),
            "no point has OpenRally elements or a kind in its name",
        ),
        (gpx(wpt(None, "frobnicate")), "no point has OpenRally elements or a kind in its name"),
        (
            gpx(wpt(0, "cp")),
            "the route has no length: all points are at one place; give the points distances",
        ),
        (
            gpx(*(wpt(4000, "reset") for _ in range(2))),
            "a section of 8000 km; check the distances and their units",
        ),
    ],
)
def test_files_without_a_route_are_refused_in_one_line(file: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(BytesIO(file), "route.gpx")
    assert str(caught.value).startswith(f"route.gpx: {message}")
    assert caught.value.hint


def test_warnings_are_bounded() -> None:
    result = imported(*(wpt(n, "cp", "speed=x") for n in range(400)))
    assert len(result.warnings) == MAX_REMARKS + 1
    assert re.fullmatch(r"and \d+ more warnings", str(result.warnings[-1]))


WORDS = [*ELEMENTS, "units", "frobnicate"]
TEXTS = ["", "0", "1", "30", "65.5", "900", "-3", "NaN", "x", "1e9"]


@st.composite
def soups(draw: st.DrawFn) -> bytes:
    """Any elements in any order with any text, over distances that jump about."""
    notes = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["", "0", "1", "5", "5.01", "120", "4999", "bad"]),
                st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(TEXTS)), max_size=5),
                st.sampled_from(
                    ["lat='1' lon='2'", "lat='0' lon='0'", "", "lat='1' lon='2.01'", "lat='x' lon='181'"]
                ),
            ),
            max_size=12,
        )
    )
    body = ""
    for distance, elements, place in notes:
        xml = "".join(
            f"<o:{word} clear='{text}' allowed='{text}'>{text}</o:{word}>" for word, text in elements
        )
        body += f"<wpt {place}><extensions><o:distance>{distance}</o:distance>{xml}</extensions></wpt>\n"
    return gpx(body)


@examples(150)
@given(file=soups())
def test_any_file_becomes_a_valid_itinerary_or_one_line(file: bytes) -> None:
    """The itinerary of any file loads; the only possible flaw is a missing limit."""
    try:
        toml, warnings = import_route(BytesIO(file), "soup.gpx")
    except ConfigurationError as error:
        assert "\n" not in str(error)
        return
    assert all("\n" not in str(warning) for warning in warnings)
    missing = sum("dz without a speed" in warning.what for warning in warnings)
    try:
        itinerary.load(toml, "soup.toml")
    except TomlError as error:
        assert missing, toml
        assert all("a dz begins a speed zone" in str(problem) for problem in error.problems)
    else:
        assert not missing


def test_sections_pass_the_itinerarys_validation() -> None:
    toml, warnings = import_route(BytesIO(gpx(wpt(0, "dss"), wpt(9.5, "ass"))), "folder/SS3.gpx")
    assert not warnings
    (section,) = itinerary.load(toml, "stage.toml").sections
    assert section == Section(
        kind="selective",
        length_km=9.5,
        waypoints=(Waypoint(0, "dss", lat=24.5, lon=41), Waypoint(9.5, "ass", lat=24.5, lon=41.093688363)),
    )
    assert itinerary.load(toml, "stage.toml").stage.name == "SS3"
