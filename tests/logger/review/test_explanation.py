"""Why an over-speed costs what it costs: the sentence has the charge's own numbers, the impulses are the live ones."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge.records import Fix
from logger.judgement.impulses import MAX_IMPULSES, impulses_of
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.overspeed_evidence import OverspeedEvidence
from logger.judgement.penalties import Overspeed, charges_of
from logger.judgement.report import Report, report_of
from logger.recorder import stage_files
from logger.review.explanation import impulse_rule, price_rule, sentence
from logger.stage.limits import KMH
from logger.stage.rules import Band, Penalties, Rules, default_rules
from tests.logger import drives
from tests.logger.judgement.test_penalties import over

DEFAULT = default_rules()


def explained(overspeeds: Sequence[Overspeed], **penalties: Any) -> list[str]:
    rules = dataclasses.replace(DEFAULT, penalties=dataclasses.replace(DEFAULT.penalties, **penalties))
    charges = charges_of(overspeeds, rules.penalties)
    return [sentence(each, charge, rules) for each, charge in zip(overspeeds, charges, strict=True)]


@pytest.mark.parametrize(
    ("by_kmh", "impulses", "end"),
    [
        (4, 1, "54.0 - 50 = 4.0 km/h, band up to 6 km/h, 1 x 10 s: 10 s"),
        (6.0, 2, "56.0 - 50 = 6.0 km/h, band up to 6 km/h, 2 x 10 s: 20 s"),
        (12.4, 3, "62.4 - 50 = 12.4 km/h, band above 6 km/h, 3 x 0:02:00: 0:06:00"),
        (27, 4, "band above 6 km/h, 4 x 0:02:00, but at least 0:10:00 from 4 impulses: 0:10:00"),
        (27, 6, "band above 6 km/h, 6 x 0:02:00: 0:12:00"),
    ],
)
def test_the_bands(by_kmh: float, impulses: int, end: str) -> None:
    [text] = explained([over(by_kmh, impulses)])
    begin = f"{impulses} impulse{'s' if impulses > 1 else ''} over 50 km/h (+1 km/h tolerance)"
    assert text.startswith(f"{begin}, the highest {50 + by_kmh:.1f} km/h: ")
    assert text.endswith(end)


def test_three_bands_and_an_excess_beyond_the_last() -> None:
    bands = (Band(60, 10), Band(120, 20), Band(300, 40))
    texts = explained([over(10), over(12.4), over(50)], bands=bands)
    assert [re.findall(r"band [a-z0-9 ]*km/h", text) for text in texts] == [
        ["band up to 10 km/h"],
        ["band above 10 up to 20 km/h"],
        ["band above 40 km/h"],
    ]
    assert "no band: no penalty" in explained([over(12)], bands=())[0]


def test_the_sum_of_rallysafe_can_be_checked_by_hand() -> None:
    each = over(12.4, 2, duration_s=7.3)
    [text] = explained([each], model="rallysafe")
    shown = re.search(r"([\d.]+) m gained over the limit / \(([\d.]+) / 3.6\) m/s x (\d+): ([\d.]+) s$", text)
    assert shown is not None
    gained_m, limit, factor, cost = map(float, shown.groups())
    assert gained_m / (limit / KMH) * factor == pytest.approx(cost, abs=0.01)
    assert charges_of([each], dataclasses.replace(DEFAULT.penalties, model="rallysafe"))[0].penalty_s == cost


def test_rallycheck_says_how_long_and_since_when() -> None:
    short, long = explained([over(20, duration_s=5), over(20, duration_s=5.01)], model="rallycheck")
    assert short.endswith("5 s without a break above 55 km/h (+10%), not more than 5 s: no penalty")
    assert long.endswith(
        "5.01 s without a break above 55 km/h (+10%), more than 5 s, band above 6 km/h once: 0:02:00"
    )


def test_overspeeds_that_count_as_one_say_so() -> None:
    first, second = explained([over(8), over(10, at_s=8)], model="over_time")
    assert first.endswith("counts as one with the next 1, less than 5 s apart: the largest excess x all time,"
                          " 10.0 km/h x 8.00 s x 1: 0:01:20")  # fmt: skip
    assert second.endswith("the penalty is there: no penalty")
    assert explained([over(8)], model="over_time")[0].endswith("8.0 km/h x 4.00 s x 1: 32 s")


def test_the_rule_of_impulses_is_that_of_the_rules() -> None:
    speed = dataclasses.replace(DEFAULT.speed, tolerance_kmh=5, impulse_s=8, impulse_m=120)
    assert "limit + 5 km/h" in impulse_rule(speed) and "every 8 s or 120 m" in impulse_rule(speed)


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Report:
    log = drives.write_log(tmp_path_factory.mktemp("explained") / "log.db", drives.fixes(drives.plan(600)))
    with open_evidence(log, ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        report = report_of(evidence, rules, connection)
        text = OverspeedEvidence(report, connection).summary(report.overspeeds[0])
    assert "speed by the receiver, HDOP 0.9, satellites 11, clock by GPS within 0.15 s, set " in text
    return report


def live_impulses(fixes: Sequence[Fix], rules: Rules) -> list[int]:
    """UTC of the impulses that the recorder counts, as it counts them: at most one per fix of 5 Hz."""
    stage = dataclasses.replace(stage_files.stage_of(drives.ITINERARY, "short"), rules=rules)
    live = stage.live("Stock")
    times: list[int] = []
    for fix in fixes:
        live.fix(fix)
        running = live.limits.over
        utc_us = None if running is None else live.clock.utc_us(running.impulse_us)
        if utc_us is not None and (not times or utc_us != times[-1]):
            times.append(utc_us)
    return times


@pytest.mark.parametrize(("impulse_s", "impulse_m"), [(10, 150), (3, 150), (1.7, 29), (60, 5000)])
def test_impulses_are_where_the_recorder_counted_them(
    tmp_path: Path, impulse_s: float, impulse_m: float
) -> None:
    speed = dataclasses.replace(DEFAULT.speed, impulse_s=impulse_s, impulse_m=impulse_m)
    path, fixes = tmp_path / "rules.toml", drives.fixes(drives.plan(600))
    path.write_text(f"[speed]\nimpulse_s = {impulse_s}\nimpulse_m = {impulse_m}\n")
    log = drives.write_log(tmp_path / "log.db", fixes)
    with open_evidence(log, ReviewOptions(rules=str(path)), lambda _done: None) as (
        evidence,
        rules,
        connection,
    ):
        report = report_of(evidence, rules, connection)
        proof = OverspeedEvidence(report, connection)
    [each] = report.overspeeds
    found = impulses_of(each, *proof.judged(), speed)
    live = live_impulses(fixes, dataclasses.replace(DEFAULT, speed=speed))
    assert len(found) == each.impulses == len(live)
    assert [impulse.at_us for impulse in found] == pytest.approx(live, abs=1000)
    apart_m = np.diff([impulse.km for impulse in found]) * 1000
    assert (apart_m <= impulse_m + 0.5).all()
    at = proof.fixes(each)
    km = proof.km(each, at)  # the fixes lie where the impulses are
    expected = np.interp([impulse.at_us for impulse in found], evidence.fixes.at_us[at], km)
    assert expected == pytest.approx([impulse.km for impulse in found], abs=0.0002)


def test_impulses_stay_unknown_where_the_fixes_do_not_give_them(reviewed: Report) -> None:
    [each] = reviewed.overspeeds
    at_us, mps = reviewed.evidence.fixes.at_us, reviewed.places.mps
    speed = DEFAULT.speed
    assert len(impulses_of(each, at_us, mps, speed)) == each.impulses
    assert impulses_of(each._replace(impulses=each.impulses + 3), at_us, mps, speed) == ()
    assert impulses_of(each._replace(impulses=MAX_IMPULSES + 1, duration_s=1e9), at_us, mps, speed) == ()
    assert impulses_of(each, at_us[:0], mps[:0], speed) == ()
    assert impulses_of(each._replace(impulses=2), at_us * 0, mps, speed) == ()  # a log without any time


def test_a_rule_of_many_bands_stays_short() -> None:
    bands = tuple(Band(float(at), over_kmh=float(at + 1)) for at in range(5000))
    text = price_rule(dataclasses.replace(DEFAULT.penalties, bands=bands))
    assert text.startswith(
        "Penalty per impulse by the largest excess: up to 1 km/h none, above 1 up to 2 km/h 1 s, "
    )
    assert "and 4992 more bands" in text and len(text) < 500


def test_penalties_without_a_band_cost_nothing() -> None:
    assert charges_of([over(12)], Penalties())[0].penalty_s == 0
