"""F7: wrong dates across 00:00 UTC, 31 December, 29 February and leap seconds."""

import datetime
from itertools import pairwise

import pytest

from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.records import Fix, Sentence
from tests.figures import Figures
from tests.firmware_bridge.nmea_lines import fixes_of, gga, line, rmc, utc

BOUNDARIES = [
    ("2026-01-15", "2026-01-16"),
    ("2025-12-31", "2026-01-01"),
    ("2026-02-28", "2026-03-01"),
    ("2028-02-28", "2028-02-29"),
    ("2028-02-29", "2028-03-01"),
    ("2100-02-28", "2100-03-01"),
]
ACROSS = "epochs across midnights, ends of years and leap days: none lost, none on a wrong day"


def ddmmyy(day: str) -> str:
    return f"{datetime.date.fromisoformat(day):%d%m%y}"


def zda(time: str, day: str) -> str:
    return line(f"GPZDA,{time},{datetime.date.fromisoformat(day):%d,%m,%Y},00,00")


def seconds_across(hz: int) -> list[tuple[str, bool]]:
    """Times of day from 23:59:58 to 00:00:02, and whether they are after midnight."""
    steps = range(-2 * hz, 2 * hz + 1)
    return [
        (f"0000{step / hz:06.3f}" if step >= 0 else f"2359{60 + step / hz:06.3f}", step >= 0)
        for step in steps
    ]


def assert_unbroken(fixes: list[Fix], before: str, after: str, hz: int) -> None:
    times = [fix.utc_us for fix in fixes]
    assert None not in times
    assert [b - a for a, b in pairwise(times) if a and b] == [1_000_000 // hz] * 4 * hz
    assert (utc(fixes[0])[:10], utc(fixes[-1])[:10]) == (before, after)
    assert utc(fixes[2 * hz]) == f"{after}T00:00:00.000Z"


@pytest.mark.parametrize("hz", [1, 10, 25])
@pytest.mark.parametrize(("before", "after"), BOUNDARIES[:5])
@pytest.mark.parametrize("first", ["RMC", "GGA"])
def test_dated_sentences_across_midnight(
    before: str, after: str, hz: int, first: str, figures: Figures
) -> None:
    texts = []
    for time, is_after in seconds_across(hz):
        epoch = [rmc(time, ddmmyy(after if is_after else before)), gga(time)]
        texts += epoch if first == "RMC" else epoch[::-1]
    assert_unbroken(fixes_of(texts), before, after, hz)
    figures.tried(ACROSS, len(texts) // 2)


@pytest.mark.parametrize("dated", [rmc, zda])
@pytest.mark.parametrize(("before", "after"), BOUNDARIES[:5])
def test_a_date_sent_once_is_carried_across_midnight(
    before: str, after: str, dated: object, figures: Figures
) -> None:
    times = seconds_across(5)
    texts = (
        [rmc(times[0][0], ddmmyy(before))] if dated is rmc else [gga(times[0][0]), zda(times[0][0], before)]
    )
    texts += [gga(time) for time, _ in times[1:]]
    assert_unbroken(fixes_of(texts), before, after, 5)
    figures.tried(ACROSS, len(times))


def test_zda_sets_a_four_digit_year() -> None:
    before, after = BOUNDARIES[5]
    texts = []
    for time, is_after in seconds_across(1):
        texts += [gga(time), zda(time, after if is_after else before)]
    assert_unbroken(fixes_of(texts), before, after, 1)


def test_zda_between_epochs_dates_the_epochs_around_it() -> None:
    fixes = fixes_of([gga("235956.00"), zda("235956.50", "2025-12-31"), gga("235957.00"), gga("000000.00")])
    assert [fix.utc_us and utc(fix) for fix in fixes] == [
        "2025-12-31T23:59:56.000Z",
        "2025-12-31T23:59:57.000Z",
        "2026-01-01T00:00:00.000Z",
    ]


def test_a_date_after_a_complete_epoch_is_used_for_later_ones() -> None:
    builder = FixBuilder()
    texts = [gga(f"1200{second:02}.00") for second in range(10)]
    texts += [zda("120009.00", "2026-01-15"), gga("120010.00")]
    fixes = fixes_of(texts, builder, every_us=1_000_000)
    assert not builder.rejected
    assert utc(fixes[-1]) == "2026-01-15T12:00:10.000Z"
    assert all(fix.utc_us is None for fix in fixes[:-1])


def test_days_without_a_date_are_counted_by_the_session_clock() -> None:
    builder = FixBuilder()
    builder.feed(Sentence(0, rmc("120000.00", "281225")))
    three_days_us = int(3.3 * 86_400e6)
    fixes = builder.feed(Sentence(three_days_us, gga("191200.00")))
    fixes += builder.finish()
    assert utc(fixes[-1]) == "2025-12-31T19:12:00.000Z"


@pytest.mark.parametrize("carried", [False, True])
def test_a_leap_second_is_the_first_of_the_next_day_and_no_fix_is_lost(
    carried: bool, figures: Figures
) -> None:
    times = ["235958.00", "235959.00", "235959.50", "235960.00", "235960.50", "000000.00", "000001.00"]
    texts = [rmc(times[0], "311226")]
    for time in times[1:]:
        date = "010127" if time.startswith("00") else "311226"
        texts += [gga(time)] if carried else [rmc(time, date), gga(time)]
    fixes = fixes_of(texts)
    assert [utc(fix)[11:] for fix in fixes] == [
        *("23:59:58.000Z", "23:59:59.000Z", "23:59:59.500Z", "00:00:00.000Z"),
        *("00:00:00.500Z", "00:00:00.000Z", "00:00:01.000Z"),
    ]
    assert [utc(fix)[:10] for fix in fixes] == ["2026-12-31"] * 3 + ["2027-01-01"] * 4
    assert all(fix.lat is not None for fix in fixes)
    figures.tried("leap seconds")


def test_the_date_is_unknown_until_it_is_sent() -> None:
    texts = [gga("120000.00"), gga("120002.00"), rmc("120004.00"), gga("120006.00")]
    fixes = fixes_of(texts, every_us=2_000_000)
    assert [fix.utc_us is None for fix in fixes] == [True, True, False, False]
    assert all(fix.lat is not None for fix in fixes)


def test_the_clock_of_a_receiver_that_never_had_a_fix_dates_nothing() -> None:
    cold = [rmc("000416.984", "260120", status="V"), zda("000417.984", "2020-01-26")]
    fixes = fixes_of([*cold, rmc("120000.00"), rmc("120001.00", "060180", status="V")])
    assert [fix.utc_us and utc(fix) for fix in fixes] == [
        None,
        "2026-01-15T12:00:00.000Z",
        "2026-01-15T12:00:01.000Z",
    ]


def test_one_damaged_date_dates_nothing_and_two_that_agree_do() -> None:
    """A checksum lets one damaged line in 256 through."""
    dates = ["150126"] * 10 + ["150136"] + ["150126"] * 10 + ["160126"] * 5
    times = [f"1200{second:02}.00" for second in range(len(dates))]
    fixes = fixes_of(
        (text for time, date in zip(times, dates, strict=True) for text in (rmc(time, date), gga(time))),
        every_us=500_000,
    )
    days = [utc(fix)[:10] for fix in fixes]
    assert days == ["2026-01-15"] * 22 + ["2026-01-16"] * 4


def test_another_recording_in_the_same_file_has_its_own_date() -> None:
    texts = [
        text
        for hour, date in (("12", "150126"), ("08", "170126"))
        for second in range(10)
        for text in (rmc(f"{hour}00{second:02}.00", date), gga(f"{hour}00{second:02}.00"))
    ]
    days = [utc(fix)[:10] for fix in fixes_of(texts, every_us=500_000)]
    assert days == ["2026-01-15"] * 10 + ["2026-01-17"] * 10
