"""Backgrounds from GeoJSON: shapes near the drive, bounded in size; errors in one line."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from logger.judgement.plane import Plane
from logger.review import geojson
from logger.review.background import (
    MAX_AREA_POINTS,
    MAX_LINE_POINTS,
    MAX_PLACES,
    background_document,
    neighbourhood,
)
from logger.review.geojson import Shapes, read_geojson

LAT, LON = 21.65, 40.72


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def collection(*features: Any) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


def read(folder: Path, text: str | bytes) -> Shapes:
    path = folder / "roads.geojson"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_geojson(path)


def near(shapes: Shapes, lat: float = LAT, lon: float = LON) -> tuple[dict[str, Any], str]:
    """The document for a drive of 14 km northwards."""
    drive_lat, drive_lon = np.linspace(lat - 0.06, lat + 0.06, 100), np.full(100, lon)
    plane = Plane(drive_lat, drive_lon)
    box = neighbourhood(plane.east(drive_lon), plane.north(drive_lat))
    assert box is not None
    return background_document(shapes, plane, box)


def test_every_type_of_geometry(tmp_path: Path) -> None:
    ring = [[40.7, 21.6], [40.8, 21.6], [40.8, 21.7], [40.7, 21.6]]
    text = collection(
        feature("LineString", [[40.7, 21.6, 900.0], [40.8, 21.7]]),  # a height on one position only
        feature("MultiLineString", [[[40.7, 21.6], [40.8, 21.7]], [[40.7, 21.7], [40.8, 21.6]]]),
        feature("Polygon", [ring]),
        feature("MultiPolygon", [[ring, ring], [ring]]),
        feature("Point", [LON, LAT], name="Well"),
        feature("MultiPoint", [[LON, LAT], [LON, LAT]], name=7),
        {"type": "Feature", "geometry": None, "properties": None},
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [LON, LAT]}]},
    )
    shapes = read(tmp_path, text)
    assert [len(line) for line in shapes.lines] == [2, 2, 2]
    assert [len(area) for area in shapes.areas] == [1, 2, 1]
    assert [place.name for place in shapes.places] == ["Well", "", "", ""]
    assert shapes.unread == 0
    document, remark = near(shapes)
    assert remark == ""
    assert document["lines"]["sizes"] == [2, 2, 2]
    assert document["rings"]["areas"] == [1, 2, 1]
    assert [place["label"] for place in document["places"]] == ["Well", "", "", ""]


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\n\x1e"])
def test_a_document_on_each_line(tmp_path: Path, separator: str) -> None:
    lines = [json.dumps(feature("LineString", [[40.7, 21.6], [40.8, 21.7]])) for _ in range(3)]
    assert len(read(tmp_path, separator.join(["", *lines, ""])).lines) == 3


def test_a_bare_geometry_with_a_byte_order_mark(tmp_path: Path) -> None:
    text = json.dumps({"type": "LineString", "coordinates": [[40.7, 21.6], [40.8, 21.7]]})
    assert len(read(tmp_path, b"\xef\xbb\xbf" + text.encode()).lines) == 1


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not GeoJSON"),
        ("{", "not GeoJSON"),
        ("[" * 100_000, "nested more than"),
        ('{"type": "FeatureCollection"}', "no lines, areas or points"),
        ("[]", "no lines, areas or points"),
        ("3", "no lines, areas or points"),
        ('{"coordinates": [[NaN, 2], [3, 4]]}', "NaN is not a JSON number"),
        ('{"coordinates": [[1e999, 2], [3, 4]]}', "a number out of range"),
        (
            collection(feature("LineString", [[4_500_000.0, 2_400_000.0], [4_500_100.0, 2_400_000.0]])),
            "in degrees",
        ),
        (collection(feature("LineString", [["a", "b"], ["c", "d"]])), "in degrees"),
        (collection(feature("LineString", {"a": [1, 2]})), "in degrees"),
        (collection(feature("LineString", [[[1, 2], [3, 4]], [[1, 2], [3, 4]]])), "in degrees"),
        (collection(feature("Point", 10**400)), "in degrees"),
        (collection(feature("Polygon", [[[1, 2], [3, 4]]])), "in degrees"),
        (collection(feature("LineString", [])), "no lines, areas or points"),
        (collection(feature("Triangle", [[1, 2], [3, 4]])), "in degrees"),
        (b"PMTiles\x03" + bytes(200), "PMTiles archive"),
        (b"SQLite format 3\0" + bytes(100), "an SQLite file"),
        (b"PK\x03\x04" + bytes(100), "a compressed file"),
        ('<?xml version="1.0"?><gpx version="1.1"></gpx>', "a GPX file"),
        ('<?xml version="1.0"?><kml></kml>', "not GeoJSON"),
        (b"\xff\xfe{\x00}\x00", "not GeoJSON"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, text: str | bytes, what: str) -> None:
    with pytest.raises(ConfigurationError) as failed:
        read(tmp_path, text)
    assert what in str(failed.value)
    assert failed.value.hint
    assert "\n" not in str(failed.value)


def test_a_huge_file_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geojson, "MAX_BYTES", 1000)
    with pytest.raises(ConfigurationError, match="over 0 MB"):
        read(tmp_path, collection(*[feature("Point", [LON, LAT])] * 100))


def test_too_many_shapes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geojson, "MAX_SHAPES", 1000)
    with pytest.raises(ConfigurationError, match="over 1,000 shapes"):
        read(tmp_path, collection(feature("MultiPoint", [[LON, LAT]] * 1001)))


def test_unreadable_shapes_are_left_out_and_counted(tmp_path: Path) -> None:
    shapes = read(
        tmp_path, collection(feature("LineString", [[40.7, 21.6], [40.8, 21.7]]), feature("Point", ["x"]))
    )
    assert shapes.unread == 1
    assert near(shapes)[1] == "without 1 shapes that cannot be read"


def test_what_is_far_away_is_not_on_the_page(tmp_path: Path) -> None:
    document, remark = near(
        read(tmp_path, collection(feature("LineString", [[-70.0, -30.0], [-70.1, -30.1]])))
    )
    assert remark == "nothing in it is near the drive"
    assert document["lines"]["sizes"] == []


def test_latitudes_before_longitudes_are_recognised(tmp_path: Path) -> None:
    shapes = read(tmp_path, collection(feature("LineString", [[LAT, LON], [LAT + 0.01, LON]])))
    assert near(shapes)[1].endswith("the longitude before the latitude")


def test_a_line_across_the_antimeridian(tmp_path: Path) -> None:
    """Both ways of writing it lie around a drive in Fiji, and neither crosses a drive in Arabia."""
    for ends in ([179.95, -179.95], [179.95, 180.05]):
        shapes = read(tmp_path, collection(feature("LineString", [[lon, -17.0] for lon in ends])))
        document, _ = near(shapes, -17.0, 180.0)
        assert document["lines"]["sizes"] == [2]
        east = np.frombuffer(base64.b64decode(document["lines"]["e"]), dtype="<f4")
        assert np.abs(east).max() < 6_000
    around = read(tmp_path, collection(feature("LineString", [[179.0, LAT], [-179.0, LAT]])))
    assert near(around)[1] == "nothing in it is near the drive"


def test_the_page_stays_small_and_the_rest_is_reported() -> None:
    rng = np.random.default_rng(3)
    roads = [
        np.column_stack((LON + rng.uniform(-0.1, 0.1, 2), LAT + rng.uniform(-0.05, 0.05, 2)))
        for _ in range(40_000)
    ]
    coast = LON + np.cumsum(rng.normal(0, 1e-5, (500_000, 1)), axis=0)
    line = np.column_stack((coast, np.linspace(LAT - 0.1, LAT + 0.1, 500_000)))
    rings = [
        [np.array([[LON, LAT], [LON + 0.001, LAT], [LON, LAT + 0.001], [LON, LAT]])] for _ in range(5_000)
    ]
    places = [geojson.Place(f"P{n}", np.array([LON, LAT])) for n in range(1_000)]
    document, remark = near(Shapes([*roads, line], rings, places, 0))
    assert sum(document["lines"]["sizes"]) <= MAX_LINE_POINTS
    assert max(document["lines"]["sizes"]) > 50  # the coast, the largest, is there
    assert sum(document["rings"]["sizes"]) <= MAX_AREA_POINTS
    assert len(document["places"]) == MAX_PLACES
    assert "small shapes that do not fit" in remark
    assert len(json.dumps(document)) < 800_000


def test_a_drive_without_fixes_has_no_neighbourhood() -> None:
    assert neighbourhood(np.empty(0), np.empty(0)) is None


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=5), max_leaves=25)
GEOMETRIES = st.fixed_dictionaries(
    {"coordinates": VALUES | st.lists(st.lists(st.floats(-90, 90), min_size=1, max_size=3), max_size=6)},
    optional={
        "type": st.sampled_from(
            ["Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "Circle", 7]
        ),
        "properties": st.dictionaries(st.sampled_from(["name", "ref"]), VALUES),
    },
)


@given(
    st.recursive(
        GEOMETRIES | VALUES,
        lambda inner: st.dictionaries(
            st.sampled_from(["features", "geometry", "geometries"]), inner | st.lists(inner)
        ),
        max_leaves=8,
    )
)
@settings(max_examples=300, deadline=None)
def test_any_json_is_shapes_or_one_line(document: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            shapes = read(Path(folder), json.dumps(document))
        except ConfigurationError as error:
            assert "\n" not in str(error)
        else:
            json.dumps(near(shapes)[0], allow_nan=False)
