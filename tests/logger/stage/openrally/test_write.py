"""Itineraries written as OpenRally GPX: round trip, schema, and values that the format cannot hold."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import gpxpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from logger.stage import itinerary
from logger.stage.itinerary import Itinerary, Section, Stage, Waypoint
from logger.stage.openrally.read import read
from logger.stage.openrally.write import GPX, OPENRALLY, write
from tests.examples import examples

SCHEMA = Path(__file__).parents[4] / "../shared/corpus/openrally/openrally_v1.0.3.xsd"

DAY = Itinerary(
    Stage("Bisha – Al Henakiyah <11>"),
    (
        Section(
            kind="liaison",
            length_km=320,
            target_min=300,
            waypoints=(
                Waypoint(0, "tc", name="TC0", lat=20.0, lon=42.6),
                Waypoint(12.345, "dz", name="001", lat=20.1, lon=42.6, speed_kmh=50),
                Waypoint(13, "fz", lat=20.11, lon=42.61),
                Waypoint(320, "tc", lat=21.5, lon=42),
            ),
        ),
        Section(
            kind="selective",
            length_km=346,
            waypoints=(
                Waypoint(0, "dss", lat=21.5, lon=42, clear_m=50),
                Waypoint(43, "cp", name='"1" & <é>', lat=21.8, lon=41.9, open_m=800, clear_m=90),
                Waypoint(100.5, "dn", name="F1", lat=22.1, lon=41.8, time_s=900),
                Waypoint(100.5, "fn", lat=22.1, lon=41.8),
                Waypoint(150, "dt", lat=22.4, lon=41.7),
                Waypoint(155, "ft", lat=22.4, lon=41.75),
                Waypoint(200, "wpm", lat=-0.000000001, lon=-179.999999999),
                Waypoint(346, "ass", lat=24.0, lon=40),
            ),
        ),
        Section(kind="liaison", length_km=216, waypoints=(Waypoint(210.25, "cp", lat=24.8, lon=40.5),)),
    ),
)


def reread(file: bytes) -> Itinerary:
    return read(BytesIO(file), "written.gpx").itinerary


def tree(text: str | bytes) -> ElementTree.Element:
    return ElementTree.fromstring(text)  # noqa: S314 - our own text, not somebody's file


def test_a_day_round_trips() -> None:
    assert reread(write(DAY)) == DAY


def test_written_files_read_without_warnings_except_overlapping_circles() -> None:
    warnings = read(BytesIO(write(DAY)), "written.gpx").warnings
    assert [str(warning) for warning in warnings if "overlap" not in warning.what] == []


coordinates = st.tuples(st.integers(-90_000_000, 90_000_000), st.integers(-180_000_000, 179_999_999)).filter(
    any
)
whole_radii = st.none() | st.integers(1, 20_000).map(float)
names = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn", "Zl", "Zp", "Zs", "Cc", "Cf"]), max_size=9
)


@st.composite
def waypoints(draw: st.DrawFn, length_m: int) -> list[Waypoint]:
    """Waypoints of a section, in order and with what opens closed."""
    kinds = draw(
        st.lists(
            st.sampled_from(["cp", "wpv", "wpe", "wpm", "wps", "wpc", "wpn", "wpp", "dz", "dn", "dt"]),
            max_size=6,
        )
    )
    found = []
    road = iter(
        sorted(draw(st.lists(st.integers(1, length_m - 1), min_size=2 * len(kinds), max_size=2 * len(kinds))))
    )
    for kind in kinds:
        for each in (kind, {"dz": "fz", "dn": "fn", "dt": "ft"}.get(kind)):
            if each is None:
                continue
            lat, lon = draw(coordinates)
            radii: dict[str, Any] = (
                {} if each == "dn" else {"open_m": draw(whole_radii), "clear_m": draw(whole_radii)}
            )
            found.append(
                Waypoint(
                    km=next(road) / 1000, kind=each, name=draw(names), lat=lat / 1e6, lon=lon / 1e6, **radii,
                    speed_kmh=draw(st.integers(1, 400).map(float)) if each == "dz" else None,
                    time_s=draw(st.integers(1, 86_400).map(float)) if each == "dn" else None,
                )
            )  # fmt: skip
    return found


@st.composite
def days(draw: st.DrawFn) -> Itinerary:
    sections = []
    for index in range(draw(st.integers(1, 4))):
        length_m = draw(st.integers(1000, 900_000))
        found = draw(waypoints(length_m))
        if index % 2 == 1:
            lat, lon = draw(coordinates)
            ends = Waypoint(0, "dss", lat=lat / 1e6, lon=lon / 1e6)
            found = [ends, *found, Waypoint(length_m / 1000, "ass", lat=lat / 1e6, lon=lon / 1e6)]
        kind: itinerary.SectionKind = "selective" if index % 2 == 1 else "liaison"
        sections.append(Section(kind=kind, length_km=length_m / 1000, waypoints=tuple(found)))
    return Itinerary(Stage(draw(names.filter(bool))), tuple(sections))


@examples(60)
@given(day=days().filter(lambda day: any(section.waypoints for section in day.sections)))
def test_any_day_round_trips(day: Itinerary) -> None:
    assert itinerary.load(itinerary.dumps(day), "day.toml") == day  # the generator makes days that count
    assert reread(write(day)) == day


def test_every_element_is_valid_against_the_schema() -> None:
    xmlschema = pytest.importorskip("xmlschema", reason="the schema validator is not installed")
    if not SCHEMA.is_file():
        pytest.skip("the corpus is not beside this checkout")
    schema = xmlschema.XMLSchema(str(SCHEMA))
    elements = [e for e in tree(write(DAY)).iter() if e.tag.startswith(f"{{{OPENRALLY}}}")]
    assert len(elements) == 2 + 2 * 13 + 1  # units and length; distance and kind of each; one limit
    for element in elements:
        schema.validate(element)
    assert not schema.is_valid(tree(f'<dz xmlns="{OPENRALLY}" open="0"/>'))


def test_the_structure_is_that_of_gpx() -> None:
    """What the GPX schema asks for: order, namespaces, required attributes, decimal coordinates in range."""
    file = write(DAY)
    gpx = tree(file)
    assert (gpx.tag, gpx.get("version"), gpx.get("creator")) == (f"{{{GPX}}}gpx", "1.1", "stagelog")
    assert [child.tag.split("}")[1] for child in gpx] == ["metadata"] + ["wpt"] * 13
    for wpt in gpx.iter(f"{{{GPX}}}wpt"):
        assert {child.tag for child in wpt} <= {f"{{{GPX}}}name", f"{{{GPX}}}extensions"}
        assert wpt[-1].tag == f"{{{GPX}}}extensions"
        assert -90 <= float(wpt.get("lat", "")) <= 90 and -180 <= float(wpt.get("lon", "")) < 180
        assert "e" not in wpt.get("lat", "") + wpt.get("lon", "")
    theirs = gpxpy.parse(file.decode())
    assert [point.name for point in theirs.waypoints][:2] == ["TC0", "001"]
    assert (theirs.waypoints[5].latitude, theirs.waypoints[5].longitude) == (21.8, 41.9)


def one(waypoint: Waypoint, **section: float) -> Itinerary:
    return Itinerary(Stage("s"), (Section(kind="liaison", length_km=10, waypoints=(waypoint,), **section),))  # type: ignore[arg-type]


def test_a_waypoint_without_coordinates_cannot_be_written() -> None:
    hidden = Itinerary(
        DAY.stage,
        (*DAY.sections, *one(Waypoint(5, "wpm", name="7")).sections, *one(Waypoint(6, "cp")).sections),
    )
    with pytest.raises(
        ConfigurationError, match=r'^wpm "7" at km 5 has no coordinates .*; add its lat and lon'
    ):
        write(hidden)


def test_an_itinerary_without_waypoints_cannot_be_written() -> None:
    with pytest.raises(ConfigurationError, match="the itinerary has no waypoints"):
        write(Itinerary(Stage("s"), (Section(kind="liaison", length_km=10),)))


@pytest.mark.parametrize(
    ("given_", "comes_back"),
    [
        (Waypoint(1, "dz", speed_kmh=48.28), Waypoint(1, "dz", speed_kmh=48)),
        (Waypoint(1, "dz", speed_kmh=0.5), Waypoint(1, "dz", speed_kmh=1)),
        (Waypoint(1, "wpm", open_m=731.52, clear_m=0.2), Waypoint(1, "wpm", open_m=732, clear_m=1)),
        (Waypoint(1, "dn", time_s=60.4, clear_m=20), Waypoint(1, "dn", time_s=60)),
        (Waypoint(1, "dn", time_s=0), Waypoint(1, "dn")),
        (Waypoint(1, "dt", time_s=600), Waypoint(1, "dt")),
        (Waypoint(1.23456, "cp", name="a\x00b\x1f  c "), Waypoint(1.235, "cp", name="ab  c")),
        (Waypoint(1.2, "cp", name="a\x9b31m\u202eb"), Waypoint(1.2, "cp", name="a31mb")),
    ],
)
def test_values_that_the_format_rounds_or_drops(given_: Waypoint, comes_back: Waypoint) -> None:
    closer = {"dz": "fz", "dn": "fn", "dt": "ft"}.get(given_.kind)

    def day(waypoint: Waypoint) -> Itinerary:
        placed = [replace(waypoint, lat=1.0, lon=2.0)]
        placed += [Waypoint(2, closer, lat=1.0, lon=2.0)] if closer else []
        return Itinerary(Stage("s"), (Section(kind="liaison", length_km=10, waypoints=tuple(placed)),))

    assert reread(write(day(given_))) == day(comes_back)


def test_the_antimeridian_and_the_poles() -> None:
    assert reread(write(one(Waypoint(1, "cp", lat=90, lon=180)))) == one(Waypoint(1, "cp", lat=90, lon=-180))
    assert reread(write(one(Waypoint(1, "cp", lat=-90, lon=-180)))) == one(
        Waypoint(1, "cp", lat=-90, lon=-180)
    )
