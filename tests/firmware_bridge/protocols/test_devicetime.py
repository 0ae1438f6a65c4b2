"""DeviceClock: tables with boundary values, and properties."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.protocols.devicetime import JUMP_US, LATE_US, STUCK_US, WINDOW_US, DeviceClock

Z1 = (60_000, 60_001, 65_536)
SECOND_US = 1_000_000


def test_the_first_chunk_ends_at_its_arrival() -> None:
    assert DeviceClock(1_000, Z1).session_us([100, 103, 107], 50_000) == [43_000, 46_000, 50_000]


def test_empty_chunk() -> None:
    assert DeviceClock(1_000, Z1).session_us([], 50_000) == []


def test_the_shortest_delay_sets_the_offset() -> None:
    """A chunk delayed 8 ms more than the best one has times 8 ms before its arrival."""
    clock = DeviceClock(1, (2**32,))
    assert clock.session_us([1_000_000], 2_000_000) == [2_000_000]
    assert clock.session_us([1_020_000], 2_028_000) == [2_020_000]
    assert clock.session_us([1_040_000], 2_038_000) == [2_038_000]  # 2 ms quicker: all are 2 ms earlier
    assert clock.session_us([1_060_000], 2_080_000) == [2_058_000]


def test_offset_follows_a_drifting_crystal() -> None:
    clock = DeviceClock(1, (2**32,))
    step_us, fast = 100_000, 20  # a crystal 200 ppm slow: arrival runs ahead of it
    late = [
        number * step_us - clock.session_us([number * (step_us - fast)], number * step_us)[0]
        for number in range(1, 200)
    ]
    assert max(late) <= (2 * WINDOW_US // step_us + 1) * fast


@pytest.mark.parametrize(
    ("modulus", "stamps", "believed"),
    [
        (60_000, (59_998, 59_999, 0, 1), 60_000),
        (60_001, (59_999, 60_000, 0, 1), 60_001),
        (65_536, (60_000, 60_001, 60_002), 65_536),
        (65_536, (65_534, 65_535, 0, 1), 65_536),
    ],
)
def test_modulus_from_stamps(modulus: int, stamps: tuple[int, ...], believed: int) -> None:
    clock = DeviceClock(1_000, Z1)
    times = clock.session_us(list(stamps), 10 * SECOND_US)
    assert clock.modulus == believed
    assert times == [10 * SECOND_US - 1_000 * behind for behind in reversed(range(len(stamps)))]
    assert modulus == believed


def test_modulus_from_a_wrap_on_a_quiet_bus() -> None:
    """One frame per second, none while the counter is above 60000: 5.5 s too much elapse."""
    clock = DeviceClock(1_000, Z1)
    assert clock.session_us([59_000], 59 * SECOND_US) == [59 * SECOND_US]
    at_us = 59 * SECOND_US + 7_536_000
    assert clock.session_us([1_000], at_us) == [at_us]
    assert clock.modulus == 65_536
    assert clock.take_jump() is None


def test_modulus_from_a_damaged_stamp_is_corrected_at_the_next_wrap() -> None:
    clock = DeviceClock(1_000, Z1)
    clock.session_us([1_000], SECOND_US)
    clock.session_us([64_000], SECOND_US + 1_000)  # impossible for a counter that wraps at 60000
    assert clock.modulus == 65_536
    for second in range(2, 61):
        clock.session_us([second * 1_000 % 60_000], second * SECOND_US)
    assert clock.modulus == 60_000


@pytest.mark.parametrize("wraps", [1, 2, 7, 1_000])
def test_whole_wraps_missed_on_a_quiet_bus(wraps: int) -> None:
    clock = DeviceClock(1, (2**32,))
    clock.session_us([5_000_000], SECOND_US)
    later_us = SECOND_US + wraps * 2**32 + 250_000
    assert clock.session_us([5_240_000, 5_250_000], later_us) == [later_us - 10_000, later_us]
    assert clock.take_jump() is None


def test_counter_reset_is_followed_at_once_and_reported_once() -> None:
    clock = DeviceClock(1, (2**32,))
    for number in range(10):
        clock.session_us([500_000_000 + number * 10_000], SECOND_US + number * 10_000)
    assert clock.take_jump() is None
    times = [clock.session_us([1_000 + n * 10_000], 2 * SECOND_US + n * 10_000)[0] for n in range(5)]
    assert times == [2 * SECOND_US + n * 10_000 for n in range(5)]
    jump_us = clock.take_jump()
    assert jump_us is not None
    assert abs(jump_us) > JUMP_US
    assert clock.take_jump() is None


def test_a_reset_within_a_chunk() -> None:
    clock = DeviceClock(1_000, Z1)
    clock.session_us([30_000], SECOND_US)
    times = clock.session_us([30_010, 30_012, 3, 5], SECOND_US + 40_000)
    assert times[-2:] == [SECOND_US + 38_000, SECOND_US + 40_000]
    assert times == sorted(times)
    assert times[0] >= SECOND_US


def test_slightly_unordered_stamps_are_not_a_wrap() -> None:
    """Two buses of one adapter with separate queues: a step of 2 ms back is not a wrap."""
    clock = DeviceClock(1_000, Z1)
    clock.session_us([100], SECOND_US)
    assert clock.session_us([110, 112, 111, 114], SECOND_US + 14_000) == [
        SECOND_US + 10_000,
        SECOND_US + 12_000,
        SECOND_US + 12_000,
        SECOND_US + 14_000,
    ]


def test_stuck_counter_gives_times_of_arrival() -> None:
    clock = DeviceClock(1_000, (2**32,))
    arrivals = range(SECOND_US, 3 * SECOND_US, 5_000)
    late = [arrival - clock.session_us([0, 0], arrival)[1] for arrival in arrivals]
    assert max(late) <= STUCK_US
    assert set(late[10:]) == {0}
    assert clock.take_jump() is None


@pytest.mark.parametrize(("over_us", "believed"), [(0, True), (1, False)])
def test_a_counter_that_falls_behind_above_the_limit_has_jumped(over_us: int, believed: bool) -> None:
    """It may have waited since the chunk before, no longer."""
    clock = DeviceClock(1, (2**32,))
    clock.session_us([SECOND_US], SECOND_US)
    arrival_us = SECOND_US + 10_000
    (time_us,) = clock.session_us([SECOND_US - LATE_US - over_us], arrival_us)
    assert time_us == (SECOND_US if believed else arrival_us)


@pytest.mark.parametrize("held_up_s", [0.2, 1, 3, 4])
def test_frames_that_waited_for_a_reader_keep_their_times(held_up_s: float) -> None:
    clock = DeviceClock(1_000, Z1)
    stop_us = int(5 * SECOND_US + held_up_s * SECOND_US)
    arrivals = [*range(0, 5 * SECOND_US, 10_000), *(stop_us for _ in range(5 * SECOND_US, stop_us, 10_000))]
    for n, arrival_us in enumerate(arrivals):
        assert clock.session_us([10 * n], arrival_us) == [10_000 * n]
    assert clock.take_jump() is None


def test_a_counter_that_restarts_while_the_port_is_read_falls_behind_at_once() -> None:
    """By less than the silence: without the reads that found nothing its frames could have waited."""
    clock = DeviceClock(1_000, Z1)
    clock.session_us([50_000], 50 * SECOND_US)
    for t_us in range(50 * SECOND_US, 53 * SECOND_US, 100_000):
        clock.port_emptied(t_us)
    assert clock.session_us([51_000], 53 * SECOND_US) == [53 * SECOND_US]


def test_two_frames_of_one_tick_are_no_counter_that_stands_still() -> None:
    """The second waited for the next read."""
    clock = DeviceClock(1_000, Z1)
    clock.session_us([100], SECOND_US)
    clock.session_us([200], SECOND_US + 100_000)
    assert clock.session_us([200], SECOND_US + 200_000) == [SECOND_US + 100_000]
    assert clock.session_us([300], SECOND_US + 200_000) == [SECOND_US + 200_000]


def test_no_time_is_before_not_before_us() -> None:
    clock = DeviceClock(1_000, Z1, not_before_us=999_000)
    assert clock.session_us([10, 15, 20], SECOND_US) == [999_000, 999_000, SECOND_US]


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 65_535), min_size=1, max_size=6), st.integers(0, 200_000_000)),
        max_size=12,
    )
)
def test_times_never_run_backwards_or_past_arrival(
    chunks: list[tuple[list[int], int]],
) -> None:
    clock = DeviceClock(1_000, Z1)
    arrival_us = last_us = 0
    for stamps, passed_us in chunks:
        arrival_us += passed_us
        times = clock.session_us(stamps, arrival_us)
        assert len(times) == len(stamps)
        for time_us in times:
            assert last_us <= time_us <= arrival_us
            last_us = time_us


@pytest.mark.parametrize("ppm", [-100, 0, 100])
@pytest.mark.parametrize("tick_us", [1, 1_000])
def test_the_device_is_a_better_clock_than_arrival(tick_us: int, ppm: int) -> None:
    """5 ms chunks with up to 8 ms of jitter: the error of the device's times is a tenth."""
    pick = random.Random(7)
    clock = DeviceClock(tick_us, (2**32,))
    errors, arrival_errors, arrival_us = [], [], 0
    for chunk in range(1, 4_000):
        truth = [chunk * 5_000 - back for back in (4_000, 2_500, 700)]
        stamps = [int(t_us * (1 + ppm / 1e6)) // tick_us for t_us in truth]
        arrival_us = max(arrival_us, chunk * 5_000 + pick.choice((0, 1_000, 8_000)))
        times = clock.session_us(stamps, arrival_us)
        errors += [abs(time_us - t_us) for time_us, t_us in zip(times, truth, strict=True)]
        arrival_errors += [arrival_us - t_us for t_us in truth]
    assert sum(errors) < sum(arrival_errors) / (4 if tick_us == 1_000 or ppm else 6)
    assert max(errors[300:]) < 2_500
