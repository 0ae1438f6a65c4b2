"""The doctor's verdicts on fixes and the clock, as tables."""

from __future__ import annotations

from typing import Any

import pytest

from firmware_bridge.records import Fix
from logger.doctor import judge_gps
from logger.doctor.port_observation import PortObservation
from tests.logger.doctor.judging import assert_findings, heard


def fix(
    t_s: float = 0.0, quality: int = 1, satellites: int | None = 12, hdop: float | None = 0.8, **more: Any
) -> Fix:
    located = Fix(
        int(t_s * 1e6),
        1_768_460_400_000_000,
        20.0,
        42.0,
        600.0,
        10.0,
        90.0,
        quality,
        satellites,
        hdop,
        **more,
    )
    return (
        located
        if quality
        else located._replace(lat=None, lon=None, alt_m=None, speed_mps=None, course_deg=None)
    )


def gps(*fixes: Fix, good: int = 50) -> PortObservation:
    return heard("nmea", good=good, fixes=fixes)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (gps(*[fix()] * 50), [("ok", "position, 12 satellites, hdop 0.8"), ("ok", "10.0 fixes/s")]),
        (gps(*[fix(satellites=5)] * 50), [("wrong", "5 satellites, hdop 0.8: poor; give the antenna"), ("ok", "10.0")]),
        (gps(*[fix(satellites=6, hdop=2.5)] * 50), [("ok", "6 satellites"), ("ok", "")]),
        (gps(*[fix(hdop=2.6)] * 50), [("wrong", "poor"), ("ok", "")]),
        (gps(*[fix(satellites=None, hdop=None)] * 50), [("ok", "position"), ("ok", "")]),
        (gps(*[fix()] * 25, *[fix(quality=0)] * 25), [("wrong", "only in 50% of the fixes"), ("ok", "")]),
        (gps(*[fix()] * 5), [("ok", ""), ("note", '1.0 fixes/s; set a higher rate')]),
        (gps(*[fix(quality=0, satellites=3)] * 5), [("wrong", "no position yet (3 satellites in use); give")]),
        (gps(*[fix(quality=0, satellites=0)] * 5), [("wrong", "no satellite in use")]),
        (gps(), [("wrong", "they make no fix; make the receiver send RMC and GGA")]),
        (gps(good=0), []),
        (heard("nmea", good=50, fixes=None), [("note", "sentences arrive; their fixes are not known")]),
        # ten per second, of which a third reached the log in the five seconds of listening
        (gps(*[fix(n / 10) for n in range(17)]), [("ok", ""), ("ok", "10.0 fixes/s")]),
        (gps(*[fix(float(n)) for n in range(10)]), [("ok", ""), ("note", "1.0 fixes/s")]),
        (gps(*[fix(date_ok=False)] * 50), [("ok", ""), ("ok", ""), ("wrong", "week rollover")]),
    ],
)  # fmt: skip
def test_each_quality_of_fixes_has_its_verdict(
    facts: PortObservation, expected: list[tuple[str, str]]
) -> None:
    assert_findings(judge_gps.judge(facts), *expected)


@pytest.mark.parametrize(
    ("offset_s", "verdict", "words"),
    [
        (None, "note", "no GPS time"),
        (1.9, "ok", "agrees with GPS to 1.9 s"),
        (-2.1, "note", "2 s behind GPS"),
        (-1.76e9, "note", "56 years behind GPS"),
        (7200.0, "note", "2 hours ahead of GPS"),
    ],
)
def test_a_wrong_clock_is_never_an_error(offset_s: float | None, verdict: str, words: str) -> None:
    finding = judge_gps.judge_clock(offset_s, has_rtc=False)
    assert (finding.verdict, words in finding.what) == (verdict, True), finding
    assert "no battery clock" in finding.what
