"""Warnings about the notes of a route; files that are damaged or hold no route."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from logger.stage import itinerary
from logger.stage.itinerary import Section, Waypoint
from logger.stage.openrally.elements import ELEMENTS
from logger.stage.openrally.read import MAX_REMARKS, import_route, read
from logger.tomlconfig.schema import TomlError
from tests.examples import examples
from tests.logger.stage.openrally.route_files import gpx, imported, warned, wpt
from tests.logger.stage.openrally.routes_read import book, points


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
