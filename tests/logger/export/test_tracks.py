"""GPX and KML output, byte for byte: begin of tracks and segments, block sizes, many sessions."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import pytest

from firmware_bridge.records import Fix
from logger.export import track
from logger.logfile.rows import ClockRow, Rows
from logger.logfile.store import Log, SessionStart
from tests.logger.export.logs_made import BEGIN_US, exported

SECOND_US = 1_000_000


def drive(path: Path, sessions: Sequence[tuple[bool, Sequence[int]]]) -> Path:
    """Write a log of sessions, each given as (has UTC, seconds at which it has a fix)."""
    log = Log(path, durable=False)
    for is_timed, seconds in sessions:
        log.begin_session(
            SessionStart("boot", "1970-01-01T00:00:12+00:00", "stagelog test", ""), {"stage": "A"}
        )
        fixes = [
            Fix(second * SECOND_US, None, 20.5, 40.25, 900.0, None, None, 1, 9, None) for second in seconds
        ]
        clock = [ClockRow(0, BEGIN_US, 1000, "gps")] if is_timed else []
        log.write(Rows(fix=fixes, clock=clock))
    log.close()
    return path


def body(written: bytes, first: str) -> str:
    """The text from the first line that begins with `first`."""
    text = written.decode()
    return text[text.index(first) :]


def trkpt(second: int | None = None) -> str:
    at = "" if second is None else f"<time>2026-01-15T07:20:{second:02}.000000Z</time>"
    return f'<trkpt lat="20.5" lon="40.25"><ele>900</ele>{at}<sat>9</sat></trkpt>\n'


def test_gpx_begins_a_track_per_session_and_a_segment_per_gap(tmp_path: Path) -> None:
    log = drive(tmp_path / "a.db", [(True, [1, 11, 22]), (False, [1]), (True, [30, 31])])
    assert body(exported(log, "gpx"), "<trk>") == (
        "<trk><name>session 1</name><trkseg>\n"
        + trkpt(1)
        + trkpt(11)
        + "</trkseg><trkseg>\n"
        + trkpt(22)
        + "</trkseg></trk>\n<trk><name>session 2</name><trkseg>\n"
        + trkpt()
        + "</trkseg></trk>\n<trk><name>session 3</name><trkseg>\n"
        + trkpt(30)
        + trkpt(31)
        + "</trkseg></trk>\n</gpx>\n"
    )


def test_kml_begins_a_line_per_session_and_per_gap(tmp_path: Path) -> None:
    log = drive(tmp_path / "a.db", [(False, [1]), (True, [1, 2, 13]), (False, [5, 6])])
    timed = "<gx:Track><altitudeMode>clampToGround</altitudeMode>\n"
    plain = "<LineString><tessellate>1</tessellate><coordinates>\n"

    def coord(second: int) -> str:
        return f"<when>2026-01-15T07:20:{second:02}.000Z</when><gx:coord>40.25 20.5 900</gx:coord>\n"

    assert body(exported(log, "kml"), "<Placemark>") == (
        f"<Placemark><name>session 1</name>{plain}40.25,20.5,900\n</coordinates></LineString></Placemark>\n"
        f"<Placemark><name>session 2</name>{timed}{coord(1)}{coord(2)}</gx:Track></Placemark>\n"
        f"<Placemark><name>session 2</name>{timed}{coord(13)}</gx:Track></Placemark>\n"
        f"<Placemark><name>session 3</name>{plain}40.25,20.5,900\n40.25,20.5,900\n"
        "</coordinates></LineString></Placemark>\n</Document></kml>\n"
    )


@pytest.mark.parametrize("name", ["gpx", "kml"])
@pytest.mark.parametrize("sessions", [[], [(True, [])], [(False, []), (True, [5])]])
def test_a_drive_without_points_is_a_valid_file(
    name: str, sessions: list[tuple[bool, list[int]]], tmp_path: Path
) -> None:
    log = drive(tmp_path / "a.db", sessions or [(True, [])])
    written = exported(log, name).decode()
    assert written.count("<trk>") == written.count("</trk>") <= 1
    assert written.count("<Placemark>") == written.count("</Placemark>") <= 1


@pytest.mark.parametrize("name", ["gpx", "kml"])
def test_the_size_of_a_block_changes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [(number % 3 > 0, range(number, 60, 1 + 4 * (number % 4))) for number in range(12)]
    log = drive(tmp_path / "a.db", sessions)
    as_it_is = exported(log, name)
    assert as_it_is.count(b"session") >= 12
    for points in (1, 2, 7, 10_000):
        monkeypatch.setattr(track, "_POINTS", points)
        assert exported(log, name) == as_it_is


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpx", "kml"])
def test_a_session_costs_few_calls(name: str, tmp_path: Path) -> None:
    """Each session is a track of one point; formatting each alone took 50 times as long as one track."""
    count = 5000

    def calls(path: Path) -> int:
        """Python and C functions called by an export: unlike its time, the same on each run."""
        counted = 0

        def count_call(frame: FrameType, event: str, argument: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count_call)
        try:
            written = exported(path, name)
        finally:
            sys.setprofile(None)
        assert written.count(b"20.5") == count
        return counted

    together = drive(tmp_path / "one.db", [(True, range(count))])
    apart = drive(tmp_path / "many.db", [(True, [5])] * count)
    calls(together)
    per_session = (calls(apart) - calls(together)) / count
    assert per_session < 60, "formatted alone it takes more than 400"
