"""Properties of fixes for all kinds of receiver: UTC order, speed and altitude of one epoch."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.records import Fix, Sentence
from tests.examples import examples
from tests.firmware_bridge.nmea_lines import line, north_of

DAY_MS = 86_400_000
DAY_2026_01_15 = 20_468
EPOCHS = 60
ORDERS = [
    ("RMC", "GGA"),
    ("GGA", "RMC"),
    ("RMC", "VTG", "GGA", "GSA", "GSA", "GLL", "ZDA"),
    ("GGA", "GLL", "GSA", "RMC", "VTG", "ZDA"),
    ("ZDA", "GNS", "RMC", "VTG"),
    ("GGA", "GSA", "RMC", "ZDA"),
    ("GNS", "GGA", "VTG", "RMC"),
    ("GGA", "VTG"),
    ("GGA", "GSA", "VTG", "ZDA"),
    ("RMC",),
    ("GLL", "VTG", "ZDA"),
]


class Way(NamedTuple):
    """The pattern of a receiver, and the faults of its wire."""

    hz: int
    order: tuple[str, ...]
    offset_ms: int
    begin_ms: int
    lag_ms: int
    jitter_ms: int
    twice: bool
    old_date: bool
    lost: frozenset[tuple[int, str]]
    burst_from: int | None


def time_text(ms: int) -> str:
    ms %= DAY_MS
    return f"{ms // 3_600_000:02}{ms // 60_000 % 60:02}{ms // 1000 % 60:02}.{ms % 1000:03}"


def date_of(ms: int) -> tuple[int, int]:
    return 15 + ms // DAY_MS, 1


def sentence(kind: str, number: int, ms: int, old_date: bool) -> str:
    place, time, day = north_of(number), time_text(ms), date_of(ms)[0]
    if old_date and 0 <= ms - DAY_MS < 1000:
        day -= 1
    knots = f"{10 + number / 100:.2f}"
    return line(
        {
            "RMC": f"GNRMC,{time},A,{place},{knots},090.0,{day:02}0126,,,A",
            "GGA": f"GNGGA,{time},{place},1,08,0.9,{500 + number / 10:.1f},M,46.9,M,,",
            "GNS": f"GNGNS,{time},{place},AAN,17,0.7,{500 + number / 10:.1f},46.9,,",
            "GLL": f"GNGLL,{place},{time},A,A",
            "VTG": f"GNVTG,090.0,T,,M,{knots},N,,,A",
            "GSA": "GNGSA,A,3,01,02,03,04,,,,,,,,,1.5,0.8,1.2,1",
            "ZDA": f"GNZDA,{time_text(ms + 2000)},{date_of(ms + 2000)[0]:02},01,2026,00,00",
        }[kind]
    )


def moment_ms(way: Way, number: int) -> int:
    return way.begin_ms + way.offset_ms + number * 1000 // way.hz


def stream(way: Way, seed: int) -> list[Sentence]:
    dice, sent = random.Random(seed), []
    byte_s, end_s = 10 / 115_200, 0.0
    for number in range(EPOCHS):
        ms = moment_ms(way, number)
        at_s = (number * 1000 // way.hz) / 1000 + dice.uniform(0, way.jitter_ms) / 1000
        if way.burst_from is not None and way.burst_from <= number < way.burst_from + way.hz:
            at_s = (way.burst_from + way.hz) / way.hz
        at_s = max(at_s, end_s)
        for place, kind in enumerate(way.order):
            text = sentence(kind, number, ms, way.old_date)
            at_s += len(text) * byte_s
            lag_s = way.lag_ms / 1000 if place and kind in ("RMC", "GGA", "GNS") else 0.0
            if (number, kind) in way.lost:
                continue
            sent.append((at_s + lag_s, number, place, text))
            end_s = at_s
            if way.twice and kind == "RMC":
                sent.append((at_s + lag_s + 0.001, number, place, line("GP" + text[3:-3])))
    sent.sort(key=lambda each: each[:3])
    return [Sentence(round(at_s * 1e6), text) for at_s, _, _, text in sent]


def fixes_of(sentences: list[Sentence], builder: FixBuilder) -> tuple[list[Fix], list[float]]:
    """Return the fixes with ticks every 0.1 s, as live, and the delay of each (s)."""
    fixes: list[Fix] = []
    known: list[float] = []
    beat_us = 0
    for each in sentences:
        while beat_us + 100_000 <= each.t_us:
            beat_us += 100_000
            made = builder.tick(beat_us)
            fixes += made
            known += [(beat_us - fix.t_us) / 1e6 for fix in made]
        made = builder.feed(each)
        fixes += made
        known += [(each.t_us - fix.t_us) / 1e6 for fix in made]
    return fixes + builder.finish(), known


def check(way: Way, seed: int) -> None:
    sentences = stream(way, seed)
    fixes, _ = fixes_of(sentences, FixBuilder())
    replay = FixBuilder()
    replayed = [fix for each in sentences for fix in replay.feed(each)] + replay.finish()
    assert [fix[1:] for fix in fixes] == [fix[1:] for fix in replayed]
    assert all(a.t_us <= b.t_us for a, b in pairwise(fixes))
    timed = [kind for kind in way.order if kind in ("RMC", "GGA", "GNS", "GLL")]
    heard = [n for n in range(EPOCHS) if any((n, kind) not in way.lost for kind in timed)]
    numbers = [round((fix.lat - 48.1173018) * 60 * 1852) for fix in fixes if fix.lat is not None]
    assert numbers == heard, way
    for number, fix in zip(numbers, fixes, strict=True):
        if fix.utc_us is not None:
            utc_us = (DAY_2026_01_15 * DAY_MS + moment_ms(way, number)) * 1000
            assert fix.utc_us == utc_us
        elif "RMC" in way.order:
            assert number < 2 * way.hz + 2 or way.lost, (number, way)
        if fix.speed_mps is not None:
            assert fix.speed_mps == pytest.approx((10 + number / 100) * 1852 / 3600, abs=1e-6), (number, way)
        elif "RMC" in way.order:
            assert (number, "RMC") in way.lost, (number, way)
        elif "VTG" in way.order:
            assert (number, "VTG") in way.lost or any((n, kind) in way.lost for n, kind in way.lost), (
                number,
                way,
            )
        heights = [kind for kind in ("GGA", "GNS") if kind in way.order and (number, kind) not in way.lost]
        assert (fix.alt_m is not None) == bool(heights), (number, way)
        if fix.alt_m is not None:
            assert fix.alt_m == pytest.approx(500 + number / 10, abs=0.051)


@st.composite
def ways(draw: st.DrawFn) -> Way:
    hz = draw(st.sampled_from([1, 2, 5, 10, 20, 25]))
    order = draw(st.sampled_from(ORDERS))
    lag_ms = draw(st.sampled_from([0, 0, 0, 20, 300])) if len(order) > 1 and "VTG" not in order else 0
    lost = draw(st.sets(st.tuples(st.integers(1, EPOCHS - 2), st.sampled_from(order)), max_size=3))
    gone = sorted(number for number, _ in lost)
    if any(0 < b - a < 4 for a, b in pairwise(gone)) or "RMC" not in order:
        lost = set(list(lost)[:1])  # VTG has no time: two losses side by side are more than can be told
    return Way(
        hz,
        order,
        draw(st.sampled_from([0, 0, 100, 999, 408])),
        draw(st.sampled_from([43_200_000, DAY_MS - 4_000, DAY_MS - 20_000])),
        lag_ms,
        draw(st.sampled_from([0, 0, 3, 10])) if hz > 10 else draw(st.sampled_from([0, 20, 40])),
        draw(st.booleans()),
        draw(st.booleans()),
        frozenset(lost) if lag_ms == 0 else frozenset(),
        draw(st.sampled_from([None, None, 30])) if lag_ms == 0 else None,
    )


@pytest.mark.slow
@examples(60)
@given(ways(), st.integers(0, 3))
def test_each_utc_once_in_order_with_its_own_speed_and_height(way: Way, seed: int) -> None:
    check(way, seed)


@pytest.mark.parametrize("hz", [1, 5, 10, 25])
@pytest.mark.parametrize("order", ORDERS)
def test_fixes_of_a_regular_receiver_are_not_delayed(hz: int, order: tuple[str, ...]) -> None:
    """Once it is known, a fix is known with the last of its sentences."""
    way = Way(hz, order, 0, 43_200_000, 0, 0, False, False, frozenset(), None)
    _, known = fixes_of(stream(way, 0), FixBuilder())
    assert len(known) >= EPOCHS - 1
    assert max(known[-20:]) <= 0.045
