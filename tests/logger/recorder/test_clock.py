"""UTC from GPS: when a clock row is due, and its content."""

from __future__ import annotations

import pytest

from firmware_bridge.records import Fix
from logger.recorder.clock import GpsClock

NOON = 1_768_478_400_000_000


def fix(t_us: int, utc_us: int | None, *, lat: float | None = 20.0, date_ok: bool = True) -> Fix:
    return Fix(t_us, utc_us, lat, 42.0 if lat else None, None, None, None, 1 if lat else 0, 8, 1.0, date_ok)


def test_unknown_until_a_fix_with_a_position_and_a_true_date() -> None:
    clock = GpsClock()
    assert clock.feed(fix(0, None)) is None
    assert clock.feed(fix(0, NOON, lat=None)) is None
    assert clock.feed(fix(0, NOON, date_ok=False)) is None
    assert clock.utc_us(5) is None
    row = clock.feed(fix(1_000_000, NOON))
    assert row is not None
    assert (row.t_us, row.utc_us, row.source) == (1_000_000, NOON, "gps")
    assert clock.utc_us(2_500_000) == NOON + 1_500_000


def test_the_shortest_delay_counts_and_the_spread_is_the_error() -> None:
    clock = GpsClock()
    delays_us = [90_000, 60_000, 140_000, 75_000]
    rows = [clock.feed(fix(n * 1_000_000 + delay, NOON + n * 1_000_000)) for n, delay in enumerate(delays_us)]
    assert clock.utc_us(60_000) == NOON
    assert [row is not None for row in rows] == [True, True, False, False]
    late = clock.feed(fix(70_000_000 + 60_000, NOON + 70_000_000))
    assert late is not None
    assert late.error_us == 150_000 + 80_000


def test_at_least_one_row_per_minute() -> None:
    clock = GpsClock()
    rows = [clock.feed(fix(n * 1_000_000, NOON + n * 1_000_000)) for n in range(181)]
    assert [row.t_us // 1_000_000 for row in rows if row] == [0, 60, 120, 180]


def driven(*ahead_s: float, hz: int = 1) -> GpsClock:
    """A clock fed with epochs that are ahead of the truth by the given seconds, `hz` of each second."""
    clock = GpsClock()
    for number, seconds in enumerate(ahead_s):
        t_us = number * 1_000_000 // hz
        clock.feed(fix(t_us, NOON + t_us + round(seconds * 1e6)))
    return clock


@pytest.mark.parametrize("glitch_s", [0.6, 240.0, 599.0, 86_400.0, -240.0, -86_400.0])
@pytest.mark.parametrize("times", [1, 4])
def test_a_few_epochs_out_of_line_change_nothing(glitch_s: float, times: int) -> None:
    assert driven(*[0.0] * 5, *[glitch_s] * times).utc_us(0) == NOON
    assert driven(*[0.0] * 5, *[glitch_s] * times, 0.0).utc_us(0) == NOON


def test_epochs_that_contradict_each_other_change_nothing() -> None:
    assert driven(*[0.0] * 5, *[240.0, -30.0, 7.0] * 20).utc_us(0) == NOON


@pytest.mark.parametrize("wrong_s", [3.0, -3.0, 86_400.0, -19.7 * 365 * 86_400])
@pytest.mark.parametrize("hz", [1, 10])
def test_a_time_jump_of_the_receiver_is_followed_within_seconds(wrong_s: float, hz: int) -> None:
    """Newly received leap seconds; another date, another week."""
    clock = driven(*[wrong_s] * 20 * hz, *[0.0] * 5 * hz, hz=hz)
    assert clock.utc_us(0) == NOON
    assert clock.error_s == 0.15


def test_a_backlog_changes_nothing() -> None:
    """The recorder stalled for four seconds; at 10 Hz the backlog in the port looks like agreement."""
    clock = driven(*[0.0] * 50, hz=10)
    for number in range(40):
        clock.feed(fix(9_000_000 + number, NOON + 5_000_000 + number * 100_000))
    assert clock.utc_us(0) == NOON
    assert clock.error_s == 0.15
