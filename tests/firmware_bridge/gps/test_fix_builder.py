"""Fix builder: grouping of sentences into epochs, and time of output."""

from itertools import pairwise

import pytest

from firmware_bridge.gps.cadence import LEARN_EPOCHS, LEARN_US, PAUSE_US
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.records import Sentence
from tests.firmware_bridge.nmea_lines import (
    GLL,
    GNS,
    GSA,
    LAT,
    LON,
    VTG,
    fixes_of,
    gga,
    line,
    north_of,
    rmc,
    utc,
)


def test_one_epoch_merges_the_values_of_all_its_sentences() -> None:
    (fix,) = fixes_of([rmc("120000.00"), gga("120000.00"), VTG, GSA, GLL])
    assert fix.lat == pytest.approx(LAT)
    assert fix.lon == pytest.approx(LON)
    assert fix.speed_mps == pytest.approx(10 * 1852 / 3600)
    assert (fix.course_deg, fix.alt_m, fix.quality, fix.satellites, fix.hdop) == (90.0, 545.4, 1, 8, 0.9)
    assert (utc(fix), fix.date_ok) == ("2026-01-15T12:00:00.000Z", True)


@pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]])
@pytest.mark.parametrize("hz", [1, 5, 10, 20, 25])
def test_any_order_and_any_rate_give_one_fix_per_epoch(order: list[int], hz: int) -> None:
    texts: list[str] = []
    for number in range(60):
        seconds = number / hz
        time = f"1200{seconds:06.3f}"
        epoch = [rmc(time), gga(time), VTG]
        texts += [epoch[place] for place in order]
    for every_us in (0, 5_000):
        fixes = fixes_of(texts, every_us=every_us)
        assert len(fixes) == 60
        assert [fix.utc_us for fix in fixes] == [
            1_768_478_400_000_000 + number * 1_000_000 // hz for number in range(60)
        ]
        assert all(fix.lat is not None and fix.alt_m == 545.4 and fix.speed_mps for fix in fixes)


@pytest.mark.parametrize(
    ("sentence", "has_time"),
    [(GLL, False), (rmc("120000"), True), (gga("120000.0"), False), (GNS, False)],
)
def test_one_kind_of_sentence_alone_makes_fixes(sentence: str, has_time: bool) -> None:
    (fix,) = fixes_of([sentence])
    assert fix.lat == pytest.approx(LAT)
    assert fix.lon == pytest.approx(LON)
    assert fix.quality == 1
    assert (fix.utc_us is not None) is has_time


def test_vtg_gives_the_speed_without_rmc() -> None:
    (fix,) = fixes_of([gga("120000.00"), VTG])
    assert fix.speed_mps == pytest.approx(20 * 1852 / 3600)
    assert fix.course_deg == 45.0
    (fix,) = fixes_of([gga("120000.00"), line("GPVTG,,T,,M,,N,036.0,K,A")])
    assert fix.speed_mps == pytest.approx(10.0)
    assert fix.course_deg is None
    for nothing in ("GPVTG,1,T,,M,5,N,9,K,N", "GPVTG,1,2,3,4"):
        (fix,) = fixes_of([gga("120000.00"), line(nothing)])
        assert fix.speed_mps is None


def test_gns_counts_satellites_of_all_constellations_and_gsa_gives_hdop_where_nothing_else_does() -> None:
    (fix,) = fixes_of([gga("120000.00", satellites="12"), GNS])
    assert fix.satellites == 17
    (fix,) = fixes_of([rmc("120000.00"), GSA])
    assert fix.hdop == 0.8


@pytest.mark.parametrize(
    ("modes", "quality"), [("RN", 4), ("AF", 5), ("DA", 2), ("NA", 1), ("EN", 6), ("P", 3), ("S", 8)]
)
def test_gns_modes_are_ggas_qualities(modes: str, quality: int) -> None:
    (fix,) = fixes_of([rmc("120000.00"), GNS.replace("AAN", modes)])
    assert fix.quality == quality


def test_the_position_is_the_last_one_of_the_epoch() -> None:
    (fix,) = fixes_of([rmc("120000.00", place=north_of(30)), gga("120000.00")])
    assert fix.lat == pytest.approx(LAT)


# When a fix comes out ------------------------------------------------------------------------------------


def test_an_epoch_ends_with_a_later_complete_one_or_a_pause_and_has_its_first_arrival_time() -> None:
    builder = FixBuilder()
    assert builder.feed(Sentence(1_000, rmc("120000.00"))) == []
    assert builder.feed(Sentence(50_000, VTG)) == []
    assert builder.feed(Sentence(1_001_000, rmc("120001.00"))) == []
    (first,) = builder.tick(50_001 + LEARN_US)
    assert first.t_us == 1_000
    assert builder.tick(1_001_000 + LEARN_US) == []
    (second,) = builder.tick(1_001_001 + LEARN_US)
    assert (second.t_us, utc(second)) == (1_001_000, "2026-01-15T12:00:01.000Z")
    assert builder.tick(9_000_000) == builder.finish() == []


@pytest.mark.parametrize("hz", [1, 10])
@pytest.mark.parametrize(
    ("kinds", "within_s"),
    [("RMC GGA", {1: 0.22, 10: 0.1}), ("RMC", {1: 1.02, 10: 1.02}), ("GGA", {1: 1.02, 10: 1.02})],
)
def test_the_first_fix_comes_within_one_second(kinds: str, within_s: dict[int, float], hz: int) -> None:
    """Ticks come every 20 ms, as in the recorder."""
    builder = FixBuilder()
    step_us = 1_000_000 // hz
    for t_us in range(0, 3_000_000, 20_000):
        fixes = builder.tick(t_us)
        if t_us % step_us == 0:
            time = f"1200{t_us / 1e6:05.2f}"
            for kind in kinds.split():
                fixes += builder.feed(Sentence(t_us, rmc(time) if kind == "RMC" else gga(time)))
        if fixes:
            break
    assert t_us <= within_s[hz] * 1e6


def test_unrelated_sentences_do_not_end_an_epoch() -> None:
    builder = FixBuilder()
    builder.feed(Sentence(0, rmc("120000.00")))
    for step in range(1, 6):
        assert builder.feed(Sentence(step * 150_000, line("GPGSV,1,1,01,02,33,299,27"))) == []
    assert builder.feed(Sentence(900_000, gga("120000.00"))) == []
    assert builder.finish()[0].alt_m == 545.4


def test_ticks_change_when_a_fix_is_returned_but_not_its_values() -> None:
    sentences = []
    for second in range(20):
        time = f"1200{second:02}.00"
        sentences += [
            Sentence(second * 1_000_000, rmc(time)),
            Sentence(second * 1_000_000 + 90_000, gga(time)),
        ]
    replayed, live, silent = FixBuilder(), [], []
    for sentence in sentences:
        silent += replayed.feed(sentence)
    ticking = FixBuilder()
    for sentence in sentences:
        live += ticking.tick(sentence.t_us - 100_000) + ticking.tick(sentence.t_us - 30_000)
        live += ticking.feed(sentence)
    assert live + ticking.finish() == silent + replayed.finish()


@pytest.mark.parametrize("second_of_epoch", [gga, None])
def test_complete_epochs_of_a_known_receiver_and_full_fixes_end_at_once(
    second_of_epoch: object,
) -> None:
    builder = FixBuilder()
    for second in range(30):
        time = f"1200{second:02}.00"
        fixes = builder.feed(Sentence(second * 1_000_000, rmc(time)))
        last = gga(time) if second_of_epoch is gga else VTG.replace("GNVTG", "GNGSV")
        fixes += builder.feed(Sentence(second * 1_000_000 + 20_000, last))
        if second_of_epoch is gga:
            fixes += builder.tick(second * 1_000_000 + 20_001 + PAUSE_US)
        if second_of_epoch is gga or second > LEARN_EPOCHS:
            assert utc(fixes[-1])[17:19] == f"{second:02}"


def test_a_lost_sentence_delays_a_known_receiver_by_a_pause_only() -> None:
    builder, came = FixBuilder(), []
    for second in range(20):
        time, t_us = f"1200{second:02}.00", second * 1_000_000
        came += builder.feed(Sentence(t_us, gga(time)))
        if second != 15:
            came += builder.feed(Sentence(t_us + 20_000, rmc(time)))
        elif second == 15:
            assert builder.tick(t_us + PAUSE_US) == []
            came += builder.tick(t_us + PAUSE_US + 20_001)
            assert (utc(came[-1])[17:19], came[-1].speed_mps) == ("15", None)
    assert len(came) == 20


def test_a_sentence_after_a_complete_epoch_is_late_and_becomes_due() -> None:
    builder, fixes = FixBuilder(), []
    for second in range(30):
        time = f"1200{second:02}.00"
        texts = [rmc(time), VTG] if second < 15 else [rmc(time), VTG, gga(time)]
        for text in texts:
            fixes += builder.feed(Sentence(second * 1_000_000, text))
    fixes += builder.finish()
    assert len(fixes) == 30
    assert builder.rejected == {"late": 1}
    assert [fix.alt_m for fix in fixes[16:]] == [545.4] * 14


def test_a_sentence_that_comes_an_epoch_late_joins_its_own() -> None:
    builder = FixBuilder()
    texts = [rmc("120000.00"), rmc("120001.00"), gga("120000.00"), rmc("120002.00"), gga("120001.00")]
    fixes = fixes_of(texts, builder)
    assert [(utc(fix)[17:19], fix.alt_m) for fix in fixes] == [("00", 545.4), ("01", 545.4), ("02", None)]
    assert not builder.rejected


@pytest.mark.parametrize("every_us", [0, 300_000])
def test_a_receiver_whose_rmc_is_an_epoch_behind_gives_one_fix_per_epoch(every_us: int) -> None:
    texts = []
    for second in range(1, 30):
        texts += [gga(f"1200{second:02}.00"), rmc(f"1200{second - 1:02}.00")]
    fixes = fixes_of(texts, every_us=every_us)[2:]  # the first two come before the habit can be known
    assert [utc(fix)[17:19] for fix in fixes] == [f"{second:02}" for second in range(2, 30)]


@pytest.mark.parametrize("before_hz", [1, 2, 5])
@pytest.mark.parametrize("after_hz", [5, 10, 20])
def test_every_fix_keeps_its_speed_when_a_receiver_gets_faster(before_hz: int, after_hz: int) -> None:
    """As after `init`: the receiver was learned at its slow rate."""
    builder, fixes = FixBuilder(), []
    slow = [number / before_hz for number in range(10 * before_hz)]
    for second in slow + [10 + number / after_hz for number in range(10 * after_hz)]:
        t_us = round(second * 1e6)
        for delay_us, text in ((40_000, gga(f"1200{second:05.2f}")), (45_000, rmc(f"1200{second:05.2f}"))):
            fixes += builder.feed(Sentence(t_us + delay_us, text))
    fixes += builder.finish()
    assert len(fixes) == 10 * (before_hz + after_hz)
    assert all(fix.speed_mps is not None and fix.alt_m is not None for fix in fixes)


def test_a_gga_whose_clock_stands_still_disturbs_nothing() -> None:
    texts = []
    for second in range(20):
        texts += [rmc(f"1200{second:02}.00"), gga("115900.00", quality="0")]
    fixes = fixes_of(texts, every_us=100_000)
    assert [fix.quality for fix in fixes if fix.utc_us is not None] == [1] * 20


def test_a_receiver_that_repeats_one_epoch_makes_no_fix_and_is_reported() -> None:
    builder = FixBuilder()
    texts = [
        *(rmc(f"1200{second:02}.00") for second in range(10)),
        *[rmc("120009.00"), gga("120009.00")] * 50,
    ]
    fixes = fixes_of(texts, builder, every_us=500_000)
    assert [utc(fix)[17:19] for fix in fixes] == [f"{second:02}" for second in range(10)]
    assert builder.rejected["repeated"] >= 98
    assert "gps_repeated" in {notice.kind for notice in builder.take_notices()}


def test_a_receiver_whose_clock_stands_still_while_the_car_moves_makes_fixes_without_a_time() -> None:
    texts = [rmc("120000.00", place=north_of(20 * step)) for step in range(60)]
    fixes = fixes_of(texts, every_us=1_000_000)
    assert len(fixes) >= 50
    assert [fix.utc_us is None for fix in fixes] == [False] + [True] * (len(fixes) - 1)


def test_epochs_continue_after_the_clock_is_set_back() -> None:
    fixes = fixes_of([rmc("120005.00"), rmc("120006.00"), rmc("110003.70"), rmc("110004.70")])
    assert [utc(fix)[11:23] for fix in fixes] == [
        "12:00:05.000",
        "12:00:06.000",
        "11:00:03.700",
        "11:00:04.700",
    ]
    (forward, back) = rmc("123456.00"), rmc("113456.00")
    for stray in (forward, back):
        texts = [rmc(f"1200{second:02}.00") for second in range(20)]
        fixes = fixes_of([*texts[:10], stray, *texts[10:]])
        assert [utc(fix)[17:19] for fix in fixes] == [f"{second:02}" for second in range(20)]


def test_without_any_time_an_epoch_ends_where_its_sentences_repeat() -> None:
    cold = [line("GPRMC,,V,,,,,,,,,,N"), line("GPGGA,,,,,,0,00,99.99,,,,,,")]
    fixes = fixes_of([*cold, *cold, rmc("120000.00"), gga("120000.00")])
    assert [(fix.quality, fix.satellites, fix.utc_us is None) for fix in fixes] == [
        (0, 0, True),
        (0, 0, True),
        (1, 8, False),
    ]


def test_sentences_unrelated_to_fixes_give_no_fix() -> None:
    others = [
        "GPGSV,1,1,00",
        "GPTXT,01,01,02,hello",
        "PGRMC,A,1,2,3,4,5,6,A,8,9,A",
        "GPZDA,120000,15,01,2026,,",
    ]
    assert fixes_of([line(body) for body in others] + [VTG, GSA]) == []


@pytest.mark.parametrize("hz", [1, 10, 25])
def test_fixes_without_a_date_have_the_spacing_of_their_times(hz: int) -> None:
    """Live, a stall of this computer lets a second of sentences arrive together; one time is damaged."""
    builder, fixes = FixBuilder(), []
    for number in range(30 * hz):
        second = number / hz
        stall_s = max(0.0, 1.2 - second % 10) if second >= 10 else 0.0
        told = second + (3.0 if number == 25 * hz else 0.0)
        sentence = Sentence(round((second + stall_s) * 1e6) + 40_000, gga(f"1200{told:05.2f}"))
        fixes += builder.feed(sentence)
    fixes += builder.finish()
    times_us = [fix.t_us for fix in fixes if not 24 <= fix.t_us / 1e6 <= 29]
    steps_us = [b - a for a, b in pairwise(times_us) if b - a < 4_000_000]
    assert len(fixes) >= 30 * hz - 1
    assert steps_us[hz:] == pytest.approx([1_000_000 / hz] * len(steps_us[hz:]), abs=2)
    assert all(a.t_us < b.t_us for a, b in pairwise(fixes))
