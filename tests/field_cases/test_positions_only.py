"""Recordings of positions without speed: distance, speed, and the speed's source in the review."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pytest

from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from logger.judgement.speeds import speeds_of
from logger.review.html import page
from logger.review.json import document
from logger.review.terminal import summary
from logger.stage.limits import KMH
from tests.logger import drives

HERE = Path(__file__).parent


def reviewed(path: Path, wanted: ReviewOptions | None = None) -> Report:
    with open_evidence(path, wanted or ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


@pytest.mark.parametrize(
    ("name", "metres", "share"),
    [
        ("gps/gga-only-brake-10hz.nmea", 890, 0.03),
        ("gps/gga-only-standing-start-10hz.nmea", 994, 0.05),
        ("gps/gll-only.nmea", 1475, 0.03),
        ("tracks/gpx-10hz-no-speed.gpx", 1976, 0.03),
    ],
)
def test_distance_from_positions(name: str, metres: float, share: float) -> None:
    figures = reviewed(HERE / name).quality.figures
    assert figures["distance_m"] == pytest.approx(metres, rel=share)
    assert figures["speed_source"] == "positions"


def test_braking_ends_at_zero_speed() -> None:
    fixes = reviewed(HERE / "gps/gga-only-brake-10hz.nmea").evidence.fixes
    kmh, t_s = speeds_of(fixes).mps * KMH, fixes.at_us / 1e6 - fixes.at_us[0] / 1e6
    assert kmh[(t_s > 1) & (t_s < 29.9)] == pytest.approx(28 * KMH, abs=3)
    assert kmh[t_s > 34.5] == pytest.approx(0, abs=0.1)


def test_a_phone_track_has_computed_speeds() -> None:
    report = reviewed(HERE / "tracks/gpx-10hz-no-speed.gpx")
    figures, seen = report.quality.figures, report.evidence.seen
    assert figures["max_kmh"] == pytest.approx(108, abs=5)
    second = (seen.at_us - seen.at_us[0]) / 1e6
    assert seen.distance_m[second <= 4].max() < 5
    standing_m = seen.distance_m[(second >= 76) & (second <= 80)]
    assert standing_m.max() - standing_m.min() < 5
    assert document(report)["quality"]["speed_source"] == "positions"
    assert "speed by positions" in summary(report)
    assert "computed from positions" in page(report)
    assert any("computed from positions" in remark for remark in document(report)["remarks"])


def test_overspeeds_of_a_track_have_an_uncertainty(tmp_path: Path) -> None:
    track = drives.write_gpx(tmp_path / "track.gpx", drives.fixes(drives.plan(), hz=1))
    itinerary = tmp_path / "stage.toml"
    itinerary.write_text(drives.ITINERARY, encoding="utf-8")
    report = reviewed(track, ReviewOptions(itinerary=itinerary, car_class="Stock"))
    overspeeds = document(report)["overspeeds"]
    assert overspeeds
    assert all(over["uncertainty_kmh"] >= 5 for over in overspeeds)
    assert all(over["proven"] is (over["over_kmh"] > over["uncertainty_kmh"]) for over in overspeeds)
    assert "±" in page(report)


def _gpx(path: Path, segments: list[list[tuple[float, str]]]) -> Path:
    text = "".join(
        "<trkseg>"
        + "".join(
            f'<trkpt lat="{20 + m / 110_700:.7f}" lon="41"><time>{at}</time></trkpt>' for m, at in points
        )
        + "</trkseg>"
        for points in segments
    )
    path.write_text(f'<gpx version="1.1"><trk>{text}</trk></gpx>', encoding="utf-8")
    return path


def _at(second: float) -> str:
    return f"2026-01-12T09:{int(second) // 60:02d}:{int(second) % 60:02d}Z"


def test_distance_of_a_10_hz_track_with_times_in_whole_seconds(tmp_path: Path) -> None:
    path = _gpx(tmp_path / "t.gpx", [[(2.0 * i, _at(i / 10)) for i in range(1200)]])
    figures = reviewed(path).quality.figures
    assert figures["distance_m"] == pytest.approx(2380, rel=0.03)
    assert figures["max_kmh"] == pytest.approx(72, abs=3)


def test_segments_and_points_out_of_order_are_sorted(tmp_path: Path) -> None:
    first = [(20.0 * i, _at(i)) for i in range(100)]
    second = [(20.0 * i, _at(i)) for i in range(160, 260)]
    second[10], second[11] = second[11], second[10]
    report = reviewed(_gpx(tmp_path / "t.gpx", [second, first, [first[-1], first[-1]]]))
    assert report.quality.figures["distance_m"] == pytest.approx(20 * 259, rel=0.03)
    assert report.quality.figures["located"] == 200
    assert any(
        remark.startswith("2 of 202 track points have a time that is repeated") for remark in report.remarks
    )
    json.dumps(document(report))


def _city(second: float) -> float:
    """Metres driven in `second`: eight times 36 s at 20 m/s and 12 s of standing."""
    whole, part = divmod(second, 48)
    return 720 * whole + 20 * min(part, 36)


@pytest.mark.parametrize("step_s", [1, 4])
@pytest.mark.parametrize(
    ("speed_of", "remark"),
    [
        pytest.param(lambda mps: "-1.0", "computed from positions", id="phone without speed"),
        pytest.param(lambda mps: f"{mps * 3.6:.2f}", "the file's speeds are 3.6 times", id="km/h"),
        pytest.param(lambda mps: f"{mps * 1.943844:.2f}", "the file's speeds are 1.9 times", id="knots"),
        pytest.param(lambda mps: "0.0", "the file's speeds are 0.0 times", id="always 0"),
    ],
)
def test_speeds_of_a_track_that_are_none(
    speed_of: Callable[[float], str], remark: str, step_s: int, tmp_path: Path
) -> None:
    points = "".join(
        f'<trkpt lat="{20 + _city(t) / 110_700:.7f}" lon="41"><time>{_at(t)}</time><extensions>'
        f"<x:speed>{speed_of((_city(t + 0.1) - _city(t - 0.1)) / 0.2)}</x:speed></extensions></trkpt>"
        for t in range(1, 8 * 48, step_s)
    )
    path = tmp_path / "t.gpx"
    path.write_text(f'<gpx version="1.1" xmlns:x="urn:x"><trkseg>{points}</trkseg></gpx>', encoding="utf-8")
    report = reviewed(path)
    figures = report.quality.figures
    assert figures["distance_m"] == pytest.approx(8 * 720, rel=0.03)
    assert figures["max_kmh"] == pytest.approx(72, abs=5)
    assert figures["speed_source"] == "positions"
    assert any(remark in text for text in document(report)["remarks"])


@pytest.mark.parametrize("gaps_s", [(1, 3, 20, 7, 10), (20, 15), (2, 12, 5, 1, 18)])
def test_smart_recording_through_stops(gaps_s: tuple[int, ...], tmp_path: Path) -> None:
    at_s = list(accumulate(gaps_s * 20))
    points = [(_city(t), _at(t)) for t in at_s]
    figures = reviewed(_gpx(tmp_path / "t.gpx", [points])).quality.figures
    assert figures["distance_m"] == pytest.approx(_city(at_s[-1]) - _city(at_s[0]), rel=0.03)


def _recoded(change: Callable[[str], str | bytes], folder: Path) -> Report:
    path = _gpx(folder / "t.gpx", [[(20.0 * i, _at(i)) for i in range(100)]])
    text = change(path.read_text("utf-8"))
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return reviewed(path)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: re.sub(r'"(\d+)\.(\d+)"', r'"\1,\2"', text), id="decimal comma"),
        pytest.param(lambda text: text.encode("utf-16"), id="UTF-16"),
        pytest.param(lambda text: re.sub("T(..:..:..)Z", r"t\1z", text), id="small letters"),
    ],
)
def test_tracks_of_other_programs(change: Callable[[str], str | bytes], tmp_path: Path) -> None:
    assert _recoded(change, tmp_path).quality.figures["distance_m"] == pytest.approx(20 * 99, rel=0.03)


@pytest.mark.parametrize(
    ("change", "points"),
    [
        pytest.param(lambda text: text[: text.index("09:01:00")], 60, id="cut short"),
        pytest.param(lambda text: text + "\0" * 512, 100, id="zeros behind"),
        pytest.param(lambda text: text.replace("09:01:00", "\0\0\0"), 60, id="damaged inside"),
    ],
)
def test_a_damaged_track_is_read_up_to_the_damage(
    change: Callable[[str], str], points: int, tmp_path: Path
) -> None:
    """A device whose battery dies does not close its file."""
    report = _recoded(change, tmp_path)
    assert report.quality.figures["located"] == points
    assert any(f"damaged behind {points} track points" in remark for remark in report.remarks)
