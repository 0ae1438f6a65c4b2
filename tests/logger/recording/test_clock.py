"""UTC from GPS: when a clock row is due, and what it says."""

from __future__ import annotations

from firmware_bridge.records import Fix
from logger.recording.clock import GpsClock

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


def test_at_least_a_row_a_minute() -> None:
    clock = GpsClock()
    rows = [clock.feed(fix(n * 1_000_000, NOON + n * 1_000_000)) for n in range(181)]
    assert [row.t_us // 1_000_000 for row in rows if row] == [0, 60, 120, 180]


def test_a_leap_of_hours_starts_the_estimate_again() -> None:
    clock = GpsClock()
    clock.feed(fix(0, NOON + 86_400_000_000))
    row = clock.feed(fix(1_000_000, NOON + 1_000_000))
    assert row is not None
    assert row.utc_us == NOON + 1_000_000
