"""F14: damaged NMEA becomes a position: never (0, 0), and jumps of kilometres are rejected."""

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.gps.jump_filter import AGREEING, REACHABLE_MPS, SLACK_M, JumpFilter, Place, distance_m
from firmware_bridge.protocols.nmea import Decoder
from firmware_bridge.records import Fix, Sentence
from tests.examples import examples
from tests.figures import Figures
from tests.firmware_bridge.nmea_lines import PLACE, fixes_of, fixes_of_bytes, gga, line, north_of, rmc

LOGS = sorted((Path(__file__).parents[2] / "../shared/corpus/nmea").glob("*.log"))
FIELD = st.sampled_from(
    ["", "0", "1", "A", "V", "N", "E", "S", "W", "nan", "-", "0000.0000", "00000.0000", "9959.9"]
) | st.text(st.sampled_from("0123456789.-ANVEW"), max_size=10)
INVALID_PLACES = [
    "0000.0000,N,00000.0000,E",
    ",,,",
    "9999.9999,N,00000.0000,E",
    "0,N,0,E",
    "36000.0,N,72000.0,E",
]


def assert_sound(fixes: list[Fix]) -> None:
    for fix in fixes:
        if fix.quality == 0:
            assert fix[2:7] == (None, None, None, None, None)
            continue
        assert fix.lat is not None
        assert fix.lon is not None
        assert -90 <= fix.lat <= 90
        assert -180 <= fix.lon <= 180
        assert (fix.lat, fix.lon) != (0.0, 0.0)
        assert fix.speed_mps is None or 0 <= fix.speed_mps <= 515


def test_random_fields_with_a_valid_checksum_give_no_false_position(figures: Figures) -> None:
    kinds = st.sampled_from(["RMC", "GGA", "GNS", "GLL"])

    @given(st.lists(st.tuples(kinds, st.lists(FIELD, max_size=15)), max_size=20))
    def holds(sentences: list[tuple[str, list[str]]]) -> None:
        assert_sound(fixes_of(line(f"GP{kind}," + ",".join(fields)) for kind, fields in sentences))
        figures.tried("sentences of random fields with a valid checksum: no false position", len(sentences))

    holds()


def test_occasional_damaged_fields_never_move_the_car(figures: Figures) -> None:
    """One field with damage that the checksum does not detect, every ten epochs: positions stay near the car."""

    @given(st.data())
    @examples(30)
    def holds(data: st.DataObject) -> None:
        texts = []
        for second in range(50):
            epoch = [
                rmc(f"1200{second:02}.00", place=north_of(30 * second)),
                gga(f"1200{second:02}.00", north_of(30 * second)),
            ]
            if second % 10 == 9:
                which = data.draw(st.integers(0, 1))
                fields = epoch[which][1:-3].split(",")
                place = data.draw(st.integers(2, 6))
                fields[place] = data.draw(FIELD)
                epoch[which] = line(",".join(fields))
            texts += epoch
        fixes = fixes_of(texts)
        assert_sound(fixes)
        truth = Place(48.0 + 7.03811 / 60, 11.0 + 31.00012 / 60, None, None, 0)
        for fix in fixes:
            if fix.lat is not None and fix.lon is not None:
                assert (
                    distance_m(truth, Place(fix.lat, fix.lon, None, None, 0))
                    < 30 * 50 + SLACK_M + 2 * REACHABLE_MPS
                )
        assert sum(fix.lat is not None for fix in fixes) >= 45
        figures.tried("drives with a damaged field every ten epochs: no position away from the car")

    holds()


@pytest.mark.skipif(not LOGS, reason="../shared/corpus with gpsd's logs is missing")
@pytest.mark.parametrize("seed", range(3))
def test_real_logs_with_one_byte_in_150_damaged_give_no_false_position(seed: int, figures: Figures) -> None:
    rng = random.Random(seed)
    for log in LOGS:
        data = bytearray(log.read_bytes()[:20_000])
        undamaged = [
            fix for sentence in Decoder().feed(bytes(data), 0).sentences for fix in fixes_of([sentence.text])
        ]
        truth = [(fix.lat, fix.lon) for fix in undamaged if fix.lat is not None and fix.lon is not None]
        for _ in range(len(data) // 150):
            data[rng.randrange(len(data))] = rng.randrange(256)
        fixes = fixes_of_bytes(bytes(data))
        assert_sound(fixes)
        for fix in fixes:
            if fix.lat is not None and fix.lon is not None:
                assert any(abs(fix.lat - lat) < 1e-5 and abs(fix.lon - lon) < 1e-5 for lat, lon in truth), log
        figures.tried("damaged bytes in logs of real receivers: no false position", len(data) // 150)


@pytest.mark.parametrize("place", [PLACE, *INVALID_PLACES])
@pytest.mark.parametrize("status", ["V", "N", "0"])
def test_no_fix_has_no_position_with_any_fields(place: str, status: str) -> None:
    texts = [
        line(f"GPRMC,120000,{'A' if status == 'N' else 'V'},{place},1.0,2.0,150126,,,N"),
        line(f"GPGGA,120001,{place},0,03,9.9,545.4,M,46.9,M,,"),
        line(f"GPGNS,120002,{place},NNN,03,9.9,545.4,46.9,,"),
        line(f"GPGLL,{place},120003,{status},N"),
    ]
    fixes = fixes_of(texts)
    assert len(fixes) == 4
    assert_sound(fixes)
    assert {fix.quality for fix in fixes} == {0}


@pytest.mark.parametrize("place", INVALID_PLACES)
def test_a_fix_without_a_valid_position_is_no_fix(place: str) -> None:
    fixes = fixes_of(
        [rmc("120000", place=place), gga("120001", place=place), line(f"GPGLL,{place},120002,A,A")]
    )
    assert [(fix.quality, fix.lat, fix.lon) for fix in fixes] == [(0, None, None)] * 3


@given(st.lists(st.sampled_from([0, 300, 2_500, 20_000, 60_000]), min_size=1, max_size=40))
def test_a_far_position_is_accepted_only_after_others_agree(norths: list[int]) -> None:
    builder = FixBuilder()
    fixes = fixes_of(
        [rmc(f"12{i // 60:02}{i % 60:02}", place=north_of(north)) for i, north in enumerate(norths)], builder
    )
    assert builder.rejected["jump"] == sum(fix.lat is None for fix in fixes)
    run = 0
    accepted = norths[0]
    for north, fix in zip(norths, fixes, strict=True):
        if fix.lat is None:
            run += 1
            continue
        assert abs(north - accepted) <= SLACK_M + REACHABLE_MPS * (run + 1) or run >= AGREEING - 1
        run, accepted = 0, north


@examples(40)
@given(st.integers(0, 40), st.integers(1, 10))
def test_the_gate_accepts_a_car_again_after_any_jump(far_km: int, hz: int) -> None:
    builder = FixBuilder()
    for step in range(3 * hz):
        builder.feed(Sentence(step * 1_000_000 // hz, rmc(f"1200{step / hz:06.3f}")))
    fixes = []
    for step in range(3 * hz, 12 * hz + AGREEING):
        place = north_of(far_km * 1_000)
        fixes += builder.feed(Sentence(step * 1_000_000 // hz, rmc(f"1200{step / hz:06.3f}", place=place)))
    fixes += builder.finish()
    assert all(fix.lat is not None for fix in fixes[5 * hz + AGREEING :])


@pytest.mark.parametrize(
    ("a", "b", "metres"),
    [
        ((48.0, 11.0), (48.01, 11.0), 1_112),
        ((0.0, 11.0), (0.0, 11.01), 1_112),
        ((60.0, 11.0), (60.0, 11.01), 556),
        ((10.0, 179.995), (10.0, -179.995), 1_095),
        ((89.999, 0.0), (89.999, 180.0), 222),
        ((48.0, 11.0), (48.0, 11.0), 0),
    ],
)
def test_distance_between_positions(a: tuple[float, float], b: tuple[float, float], metres: float) -> None:
    measured_m = distance_m(Place(*a, None, None, 0), Place(*b, None, None, 0))
    assert measured_m == pytest.approx(metres, rel=0.01) or (a[0] > 89 and measured_m <= 1.6 * metres)


@pytest.mark.parametrize("days", [None, (20_000, 20_001)])
@pytest.mark.parametrize(
    ("seconds", "by", "north_m", "admitted"),
    [
        (0.0, "both", SLACK_M - 5, True),
        (0.0, "both", SLACK_M + 5, False),
        (1.0, "both", SLACK_M + REACHABLE_MPS - 5, True),
        (1.0, "both", SLACK_M + REACHABLE_MPS + 5, False),
        (60.0, "receiver", 6_400, True),
        (60.0, "session", 6_400, True),
        (60.0, "both", 6_600, False),
        (-60.0, "receiver", 6_400, True),
        (-60.0, "receiver", 6_600, False),
    ],
)
def test_both_sides_of_the_gate_threshold(
    seconds: float, by: str, north_m: float, admitted: bool, days: tuple[int, int] | None
) -> None:
    """The receiver's clock passes midnight between the positions, with and without a date."""
    gate, step_us = JumpFilter(), int(seconds * 1e6)
    first, second = 86_399_999_999, 86_399_999_999 + (step_us if by != "session" else 0)
    before = after = None
    if days:
        before, after = days[0], days[second >= 86_400_000_000]
    assert gate.admits(Place(48.0, 11.0, first, before, 0))
    t_us = step_us if by != "receiver" else 0
    place = Place(48.0 + north_m / 111_195.0, 11.0, second % 86_400_000_000, after, t_us)
    assert gate.admits(place) is admitted


def test_joined_recordings_of_other_days_are_not_jumps() -> None:
    texts = [rmc("120000", "150126"), rmc("110000", "160126", north_of(60_000)), rmc("130000", "110126")]
    assert all(fix.lat is not None for fix in fixes_of(texts))


def test_ten_minutes_without_a_fix_are_not_a_jump() -> None:
    texts = [rmc("120000.00"), *(gga(f"12{minute:02}00.00", quality="0") for minute in range(1, 10))]
    fixes = fixes_of([*texts, rmc("121000.00", place=north_of(20_000))])
    assert [fix.lat is not None for fix in fixes] == [True] + [False] * 9 + [True]
    assert all(a.t_us <= b.t_us for a, b in pairwise(fixes))
