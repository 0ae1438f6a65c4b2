"""NMEA captures of other programs: line ends, prefixes, the sentences that advance time."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from firmware_bridge.protocols.nmea import encode
from logger.replay import nmea_times
from tests.field_failures.recorder_process import query
from tests.logger.replay.capture_files import CASES, replayed

# --- NMEA


def distance_m(log: Path) -> float:
    ((metres,),) = query(log, "SELECT max(distance_m) FROM progress")
    return float(str(metres))


@pytest.mark.parametrize(
    ("case", "fixes", "seconds", "metres"),
    [
        ("gll-only", 60, 59, 1475),
        ("timestamp-prefix", 60, 59, 1475),
        ("damaged-time", 60, 59, 1475),
        ("freematics-prefix", 300, 29.9, 747),
    ],
)
def test_nmea_texts(tmp_path: Path, case: str, fixes: int, seconds: float, metres: float) -> None:
    outcome, log = replayed(CASES / f"gps/{case}.nmea", tmp_path)
    assert outcome.rows["fix"] == fixes
    assert outcome.duration_s == pytest.approx(seconds, abs=0.25)
    if case != "gll-only":  # it has no speed: the odometer's own tests say how far that goes
        assert distance_m(log) == pytest.approx(metres, rel=0.03)


def sentences(count: int = 30) -> list[bytes]:
    found = []
    for n in range(count):
        time = f"0900{n:02d}.00"
        found.append(encode(f"GNGGA,{time},2442.{n * 1349:05d},N,04600.00000,E,1,12,0.80,600.0,M,-10.0,M,,"))
        found.append(encode(f"GNRMC,{time},A,2442.{n * 1349:05d},N,04600.00000,E,48.596,0.0,120126,,,A"))
    return found


@pytest.mark.parametrize(
    ("before", "end"),
    [
        (b"", b"\r"),
        (b"", b"\n"),
        (rb"\s:GPS,c:1768208400*2A" + b"\\", b"\r\n"),
        (b"[09:00:00.123] ", b"\r\n"),
        (b"1768208400.123456 ", b"\n"),
        (b"$GPS", b"\r\n"),
        (b"2026-01-12 09:00:00,", b"\n"),
        (b"\xb5\x62\x01\x03\x02\x00\x41\x42\x89\xa8", b"\r\n"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_line_ends_and_prefixes_of_a_sentence(
    tmp_path: Path, before: bytes, end: bytes, packed: bool
) -> None:
    data = b"".join(before + line.rstrip() + end for line in sentences())
    path = tmp_path / ("some.nmea.gz" if packed else "some.nmea")
    path.write_bytes(gzip.compress(data) if packed else data)
    outcome, _ = replayed(path, tmp_path)
    assert outcome.rows["fix"] == 30
    assert outcome.duration_s == pytest.approx(29, abs=0.25)


def test_only_a_valid_sentence_advances_time() -> None:
    times = nmea_times.NmeaTimes(has_fixes=True)
    good = sentences()[1]
    assert times.stamp_us(good) == 9 * 3_600_000_000
    assert times.stamp_us(good.replace(b"0900", b"0950", 1)) is None
    assert times.stamp_us(b"noise " + good + b"$GN") == 9 * 3_600_000_000


@pytest.mark.parametrize("damaged", ["0902", "0957", "1900", "0800"])
def test_a_damaged_time_with_a_valid_checksum_advances_nothing(damaged: str, tmp_path: Path) -> None:
    """One damaged line in 256 has a valid checksum."""
    text = sentences()
    text[20] = encode(text[20][1:-5].decode().replace("0900", damaged, 1))
    (tmp_path / "t.nmea").write_bytes(b"".join(text))
    outcome, log = replayed(tmp_path / "t.nmea", tmp_path)
    assert outcome.duration_s == pytest.approx(29, abs=0.25)
    assert query(log, "SELECT count(*), count(DISTINCT utc_us) FROM fix") == [(30, 30)]


def test_a_pause_and_a_second_recording_advance_time(tmp_path: Path) -> None:
    early = sentences()
    late = [encode(text[1:-5].decode().replace("0900", "0905", 1)) for text in early]
    (tmp_path / "t.nmea").write_bytes(b"".join(early + late))
    outcome, log = replayed(tmp_path / "t.nmea", tmp_path)
    assert outcome.duration_s == pytest.approx(329, abs=0.25)
    ((gap_us,),) = query(log, "SELECT max(t_us) - max(t_us) FILTER (WHERE t_us < 30000000) FROM fix")
    assert gap_us == pytest.approx(300e6, abs=1e5)


def test_zda_advances_time_where_nothing_else_does(tmp_path: Path) -> None:
    ahead = [encode(f"GPZDA,0900{n + 2:02d}.00,12,01,2026,00,00") for n in range(30)]
    fixes = sentences()
    both = b"".join(zda + gga + rmc for zda, gga, rmc in zip(ahead, fixes[::2], fixes[1::2], strict=True))
    (tmp_path / "both.nmea").write_bytes(both)
    outcome, _ = replayed(tmp_path / "both.nmea", tmp_path)
    assert outcome.duration_s == pytest.approx(29, abs=0.25)
    (tmp_path / "alone.nmea").write_bytes(b"".join(ahead))
    outcome, _ = replayed(tmp_path / "alone.nmea", tmp_path)
    assert outcome.duration_s == pytest.approx(29, abs=0.25)
