"""Drive time: follows UTC, never steps, continues across a gap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.stage.timing import ClockState, DriveClock

UTC = 1_768_464_000_000_000
S = 1_000_000


def test_a_fix_is_timed_by_its_utc_and_not_by_its_arrival() -> None:
    clock = DriveClock()
    assert clock.fix_us(5 * S, UTC) == 5 * S
    assert clock.fix_us(6 * S + 70_000, UTC + S) == 6 * S
    assert clock.fix_us(7 * S - 60_000, UTC + 2 * S) == 7 * S


def test_before_utc_is_known_arrival_times_it() -> None:
    clock = DriveClock()
    assert clock.fix_us(3 * S, None) == 3 * S
    assert clock.utc_us(3 * S) is None
    assert clock.of_utc(UTC) is None
    assert clock.fix_us(4 * S, UTC) == 4 * S
    assert clock.utc_us(3 * S) == UTC - S
    assert clock.of_utc(UTC + S) == 5 * S


def test_fixes_held_up_by_a_stall_keep_their_own_times() -> None:
    clock = DriveClock()
    clock.fix_us(0, UTC)
    arrived = [clock.fix_us(8 * S + i * 1000, UTC + i * S) for i in range(1, 9)]
    assert arrived == [i * S for i in range(1, 9)]


@pytest.mark.parametrize("hz", [1, 5, 10, 25])
@pytest.mark.parametrize("stall_s", [1.5, 3.0, 6.0])
def test_a_backlog_that_comes_at_once_lengthens_no_duration(hz: int, stall_s: float) -> None:
    """At 5 Hz and more, a backlog after a stall looks like fixes that agree."""
    clock, begins_us = DriveClock(), 20 * S
    ends_us = begins_us + round(stall_s * S)
    for number in range(60 * hz):
        taken_us = number * S // hz
        t_us = taken_us + 100_000
        at_us = clock.fix_us(ends_us + number if begins_us <= t_us < ends_us else t_us, UTC + taken_us)
        assert at_us - 100_000 == taken_us
    assert clock.utc_us(clock.at_us(60 * S)) == UTC + 60 * S - 100_000


def test_a_step_of_utc_does_not_step_drive_time() -> None:
    for step in (-18 * S, -S, S, 3600 * S, -86_400 * S):
        clock = DriveClock()
        times = [clock.fix_us(i * S, UTC + i * S + (step if i >= 20 else 0)) for i in range(60)]
        assert times == sorted(times)
        assert abs(times[-1] - 59 * S) < 0.1 * S, step
        assert clock.utc_us(times[-1]) == UTC + 59 * S + step, step


def test_one_wild_date_changes_nothing() -> None:
    clock = DriveClock()
    times = [clock.fix_us(i * S, UTC + i * S + (7 * 86_400 * S if i == 9 else 0)) for i in range(20)]
    assert times == [i * S for i in range(20)]


def test_drive_time_follows_a_slow_crystal() -> None:
    clock = DriveClock()
    for i in range(20_000):
        clock.fix_us(round(i * S * 1.00005), UTC + i * S)
    assert abs(clock.at_us(round(20_000 * S * 1.00005)) - 20_000 * S) < 0.01 * S


def test_drive_time_continues_across_a_power_cut_by_utc() -> None:
    first = DriveClock()
    for i in range(100):
        first.fix_us(i * S + 50_000, UTC + i * S)
    second = DriveClock()
    second.resume(first.state(), None)
    assert second.at_us(2 * S) <= 103 * S
    assert second.fix_us(8 * S, UTC + 160 * S) == first.of_utc(UTC + 160 * S)
    assert abs(second.at_us(9 * S) - (first.of_utc(UTC + 161 * S) or 0)) < 0.1 * S


def test_a_known_gap_serves_until_utc_corrects_it() -> None:
    clock = DriveClock()
    clock.resume(ClockState(100 * S, UTC), 7.5)
    assert clock.at_us(S) == round(108.5 * S)
    assert clock.fix_us(2 * S, UTC + 110 * S) == 110 * S


def test_a_date_from_another_year_does_not_bridge() -> None:
    clock = DriveClock()
    clock.resume(ClockState(100 * S, UTC), 5.0)
    assert clock.fix_us(2 * S, UTC - 86_400 * S * 365) == 107 * S


def test_delayed_fixes_keep_their_times_despite_queries_between() -> None:
    clock = DriveClock()
    clock.fix_us(0, UTC)
    for t_us in range(0, 8 * S, S // 10):
        clock.advance(t_us)
    assert [clock.fix_us(8 * S + i, UTC + i * S) for i in range(1, 8)] == [i * S for i in range(1, 8)]


@given(st.lists(st.tuples(st.integers(0, 3 * S), st.integers(-(10**6), 10**6), st.booleans()), max_size=60))
def test_queried_time_advances_with_the_session(inputs: list[tuple[int, int, bool]]) -> None:
    """However late fixes come: but for the drift of a crystal, which is micrometres of road."""
    clock, t_us, last = DriveClock(), 0, 0
    for later_us, delay_us, is_fix in inputs:
        t_us += later_us
        if is_fix:
            clock.fix_us(t_us, UTC + t_us - delay_us)
        now = clock.at_us(t_us)
        assert now >= last - 400
        last = now


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**10), st.none() | st.integers(0, 4 * 10**15) | st.integers(UTC, UTC + 10**10)
        ),
        max_size=40,
    )
)
def test_any_times_are_taken_and_the_state_never_goes_back(inputs: list[tuple[int, int | None]]) -> None:
    clock, reached = DriveClock(), 0
    for t_us, utc_us in inputs:
        clock.fix_us(t_us, utc_us)
        clock.advance(t_us)
        assert clock.state().at_us >= reached
        reached = clock.state().at_us
