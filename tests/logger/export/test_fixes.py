"""Fixes in every format, read back with other libraries."""

from __future__ import annotations

import csv
import io
import math
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import gpxpy
import pytest

from logger.export.as_of_join import OLDEST_US
from logger.logfile.verify import verify
from tests.logger.export.logs_made import BEGIN_US, DBC, SECONDS, exported, opened

BEGIN = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=BEGIN_US)
SEEN = [second for second in range(3, SECONDS) if not 100 <= second < 120]
PLACE = "{http://www.garmin.com/xmlschemas/TrackPointExtension/v2}"


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_csv_has_one_row_per_fix_with_engine_values(log: Path) -> None:
    data = exported(log, "csv")
    rows = rows_of(data)
    assert len(rows) == 2 * SECONDS
    assert data.count(b"\r\n") == data.count(b"\n") == len(rows) + 1
    row = rows[41]
    assert row == {
        "utc": "2026-01-15T07:20:41.000000Z",
        "session": "1",
        "t_s": "41.25",
        "lat_deg": "20.0041",
        "lon_deg": "-179.99041",
        "alt_m": "905.125",
        "speed_kmh": "119.7",
        "course_deg": "359.5",
        "quality": "1",
        "satellites": "9",
        "hdop": "0.9",
        "accuracy_m": "1.25",
        "alt_accuracy_m": "",
        "speed_accuracy_kmh": "0.36",
        "section": "1",
        "distance_km": "1.36325",
        "limit_kmh": "120",
        "rpm [1/min]": "841.25",
        'oil, "hot" [°C]': "-6.15e-06",
    }
    assert (rows[1]["lat_deg"], rows[1]["satellites"], rows[1]["quality"]) == ("", "0", "0")
    assert rows[SECONDS]["utc"] == ""  # the second session has no UTC
    assert rows[SECONDS]["rpm [1/min]"] == ""  # and takes no values from the first


def test_csv_drops_old_values(log: Path) -> None:
    """The last value of ODD is at t = 49.15 s."""
    rows = rows_of(exported(log, "csv"))[:SECONDS]
    last_s = max(float(row["t_s"]) for row in rows if row['oil, "hot" [°C]'])
    assert last_s == pytest.approx(49.15 + OLDEST_US / 1e6, abs=1.0)


def test_csv_numbers_equal_those_of_the_log(log: Path) -> None:
    with opened(log) as connection:
        fixes = connection.execute(
            "SELECT lat, lon, alt_m, speed_mps * 3.6, course_deg, hdop FROM fix"
        ).fetchall()
    names = ("lat_deg", "lon_deg", "alt_m", "speed_kmh", "course_deg", "hdop")
    for row, fix in zip(rows_of(exported(log, "csv")), fixes, strict=True):
        assert [float(row[name]) if row[name] else None for name in names] == [
            None if value is None else pytest.approx(value, abs=1e-8) for value in fix
        ]


def test_csv_of_frames(log: Path) -> None:
    with opened(log) as connection:
        frames = connection.execute("SELECT t_us, bus, can_id, data FROM frame").fetchall()
    rows = rows_of(exported(log, "csv", "frames"))
    assert len(rows) == len(frames)
    for row, (t_us, bus, can_id, data) in zip(rows, frames, strict=True):
        assert round(float(row["t_s"]) * 1e6) == t_us
        assert (int(row["bus"]), bytes.fromhex(row["data_hex"]), int(row["length_bytes"])) == (
            bus,
            data,
            len(data),
        )
        flags = {"X": 1 << 31, "R": 1 << 30, "E": 1 << 29, "F": 1 << 32, "B": 1 << 33, "S": 1 << 34}
        assert int(row["id_hex"], 16) | sum(flags[letter] for letter in row["flags"]) == can_id


def test_signals_by_another_dbc(log: Path) -> None:
    """Decode with the log's own DBC, and with a corrected one."""
    from logger.export import formats
    from logger.logfile import selection

    with opened(log) as connection:
        everything = selection.select(connection)
        own, corrected = io.BytesIO(), io.BytesIO()
        formats.write(connection, everything, "csv", own, content="signals")
        number = next(row[0] for row in connection.execute("SELECT can_id FROM frame WHERE length(data) = 8"))
        text = DBC.replace("256 M", f"{number} M").replace("(0.25,0)", "(1,100)")
        formats.write(connection, everything, "csv", corrected, content="signals", dbc_texts={"b.dbc": text})
        data = connection.execute("SELECT data FROM frame WHERE can_id = ?", (number,)).fetchone()[0]
    assert rows_of(own.getvalue()) == []
    rows = rows_of(corrected.getvalue())
    assert [row["signal"] for row in rows] == ["rpm", "temperature"] * 2
    assert float(rows[0]["value"]) == int.from_bytes(data[:2], "little") + 100
    assert rows[1] | {"value": ""} == {
        "utc": rows[0]["utc"],
        "session": "1",
        "t_s": rows[0]["t_s"],
        "bus": rows[0]["bus"],
        "signal": "temperature",
        "unit": "degC",
        "source": "b.dbc:M",
        "value": "",
    }


def test_gpxpy_reads_the_gpx(log: Path) -> None:
    gpx = gpxpy.parse(exported(log, "gpx").decode())
    assert gpx.name == "Test 1 A < B & C, car 7"
    assert [(point.name, point.latitude, point.longitude) for point in gpx.waypoints] == [
        ("Start <&>", 20.5, -180.0)
    ]
    assert [[len(segment.points) for segment in track.segments] for track in gpx.tracks] == [[97, 80]] * 2
    points = [point for segment in gpx.tracks[0].segments for point in segment.points]
    for second, point in zip(SEEN, points, strict=True):
        assert point.time == BEGIN + timedelta(seconds=second)
        assert point.latitude == pytest.approx(20.0 + second * 1e-4, abs=1e-8)
        assert point.longitude == pytest.approx(-179.99 - second * 1e-5, abs=1e-8)
        assert point.elevation == 900.0 + second / 8
        assert (point.satellites, point.horizontal_dilution) == (9, 0.9)
        extension = point.extensions[0]
        assert float(extension.find(f"{PLACE}speed").text) == 33.25
        assert float(extension.find(f"{PLACE}course").text) == 359.5
    assert {point.time for segment in gpx.tracks[1].segments for point in segment.points} == {None}


def test_kml_has_a_track_with_times_or_a_line_without(log: Path) -> None:
    root = ElementTree.fromstring(exported(log, "kml"))  # noqa: S314 - our own
    space = {"k": "http://www.opengis.net/kml/2.2", "gx": "http://www.google.com/kml/ext/2.2"}
    tracks = root.findall(".//gx:Track", space)
    assert [len(track.findall("k:when", space)) for track in tracks] == [97, 80]
    assert [len(track.findall("gx:coord", space)) for track in tracks] == [97, 80]
    assert tracks[0].findtext("gx:coord", "", space) == "-179.99003 20.0003 900.375"
    assert tracks[0].findtext("k:when", "", space) == "2026-01-15T07:20:03.000Z"
    lines = root.findall(".//k:LineString/k:coordinates", space)
    assert [len((line.text or "").split()) for line in lines] == [97, 80]


def test_openrally_contains_the_roadbook(log: Path) -> None:
    with pytest.raises(ValueError, match="no coordinates"):
        exported(log, "openrally")


@pytest.mark.parametrize("content", ["fixes", "frames", "signals"])
def test_pyarrow_reads_the_parquet(log: Path, content: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(exported(log, "parquet", content)))
    with opened(log) as connection:
        if content == "fixes":
            rows = table.to_pylist()
            fixes = connection.execute("SELECT session, t_us, lat, alt_m, satellites FROM fix").fetchall()
            assert [(r["session"], r["t_us"], r["lat"], r["alt_m"], r["satellites"]) for r in rows] == fixes
            assert rows[41]["utc"] == BEGIN + timedelta(seconds=41)
            assert rows[SECONDS]["utc"] is None
            assert (rows[41]["section"], rows[41]["rpm [1/min]"]) == (1, 841.25)
        elif content == "frames":
            frames = connection.execute("SELECT session, t_us, bus, can_id, data FROM frame").fetchall()
            assert [tuple(row.values())[1:] for row in table.to_pylist()] == frames
        else:
            assert table.column_names[-4:] == ["signal", "unit", "source", "value"]


@pytest.mark.parametrize("name", ["csv", "gpx", "kml", "candump", "asc", "blf", "parquet", "mf4"])
def test_an_empty_log_gives_an_empty_file(tmp_path: Path, name: str) -> None:
    from logger.logfile.store import Log

    pytest.importorskip({"parquet": "pyarrow", "mf4": "asammdf"}.get(name, "csv"))
    Log(tmp_path / "empty.db").close()
    data = exported(tmp_path / "empty.db", name)
    if name in {"gpx", "kml"}:
        ElementTree.fromstring(data)  # noqa: S314 - our own
    assert data.count(b"\n") <= 10 or name in {"blf", "mf4", "parquet"}


def test_a_log_of_the_first_schema_can_be_exported(log: Path, tmp_path: Path) -> None:
    """Exports do not need the views."""
    old = tmp_path / "old.db"
    old.write_bytes(log.read_bytes())
    connection = sqlite3.connect(old)
    for (view,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'").fetchall():
        connection.execute(f"DROP VIEW {view}")
    for column in ("accuracy_m", "alt_accuracy_m", "speed_accuracy_mps"):
        connection.execute(f"ALTER TABLE fix DROP COLUMN {column}")
    connection.execute("DELETE FROM _sqlite_migrations WHERE name <> 'm001_log'")
    connection.commit()
    connection.close()
    assert verify(old) == []
    lost = {"accuracy_m": "", "alt_accuracy_m": "", "speed_accuracy_kmh": ""}
    assert rows_of(exported(old, "csv")) == [row | lost for row in rows_of(exported(log, "csv"))]
    assert exported(old, "gpx") == exported(log, "gpx")


def test_numbers_are_not_rounded_away() -> None:
    import numpy as np

    from logger.export import text

    values = [0.0, -0.0, 0.1, -1234.5, 1e-9, 123456789012.0, -3.5e-5, math.nan, 0.30000000000000004]
    written = text.lines(len(values), [text.numbers(np.array(values)), b"\n"]).decode().splitlines()
    assert written == ["0", "0", "0.1", "-1234.5", "1e-09", "1.23456789e+11", "-3.5e-05", "", "0.3"]


def test_csv_of_events(log: Path) -> None:
    rows = rows_of(exported(log, "csv", "events"))
    with opened(log) as connection:
        events = connection.execute("SELECT session, t_us, kind, detail FROM event ORDER BY rowid").fetchall()
    assert [(int(row["session"]), float(row["t_s"]), row["kind"], row["detail"]) for row in rows] == [
        (session, t_us / 1e6, kind, detail) for session, t_us, kind, detail in events
    ]
    assert [row["utc"] for row in rows] == [
        "2026-01-15T07:20:19.600000Z",
        "2026-01-15T07:22:29.320000Z",
        "",
        "",
    ]


def test_mf4_of_signals_has_the_events_as_text(log: Path, tmp_path: Path) -> None:
    from asammdf import MDF

    (tmp_path / "a.mf4").write_bytes(exported(log, "mf4", "signals"))
    with MDF(tmp_path / "a.mf4") as mdf:
        groups = [group for group, _ in mdf.channels_db["event"]]
        signals = [mdf.get("event", group=group) for group in groups]
    assert [signal.samples[1].decode() for signal in signals] == [
        'section {"state":"finished","index":0}'
    ] * 2
    assert (signals[0].timestamps[1] - signals[0].timestamps[0]) == pytest.approx(129.72)


def test_odd_events_are_left_out_and_long_ones_cut(log: Path, tmp_path: Path) -> None:
    copy = tmp_path / "a.db"
    copy.write_bytes(log.read_bytes())
    with sqlite3.connect(copy) as connection:
        for values in ("1, 'x', 'a', '{}'", "1, 5, x'00', '{}'", "1, 1e300, 'a', '{}'", "-5, 5, 'a', '{}'"):
            connection.execute(f"INSERT INTO event VALUES ({values})")
        connection.execute("INSERT INTO event VALUES (1, 5, '=1', ?)", ("y" * 100_000,))
    connection.close()
    rows = rows_of(exported(copy, "csv", "events"))
    assert len(rows) == 5
    assert (rows[-1]["kind"], len(rows[-1]["detail"])) == ("'=1", 32_000)
