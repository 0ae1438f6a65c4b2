"""StampMapping: wall-clock stamps to the monotonic clock, with steps of the wall clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.devices.kernel_stamps import SLACK_NS, StampMapping

MS = 1_000_000
S = 1000 * MS
BOOT_WALL = 1_600_000_000 * S
"""The wall clock at monotonic 0."""


def test_stamps_are_moved_to_the_monotonic_clock() -> None:
    mapping = StampMapping(0)
    stamps = [BOOT_WALL + at * MS for at in (3, 4, 9)]
    assert mapping.monotonic_ns(stamps, BOOT_WALL + 10 * MS, 10 * MS) == [3 * MS, 4 * MS, 9 * MS]


@pytest.mark.parametrize("step_ns", [-S // 20, -S, -(10**9) * S, S // 20, S, 10**9 * S])
def test_a_step_between_two_reads_moves_no_frame(step_ns: int) -> None:
    """Frames before and after the step are read together, and each has its time of arrival. A step shorter than the
    time between the reads is ambiguous; both possible times are within that interval."""
    mapping = StampMapping(0)
    mapping.monotonic_ns([BOOT_WALL + MS], BOOT_WALL + 10 * MS, 10 * MS)
    came = [12 * MS, 14 * MS, 18 * MS, 20 * MS]
    stamps = [BOOT_WALL + at + (step_ns if at > 15 * MS else 0) for at in came]
    assert mapping.monotonic_ns(stamps, BOOT_WALL + step_ns + 21 * MS, 21 * MS) == came
    after = BOOT_WALL + step_ns + 25 * MS
    assert mapping.monotonic_ns([after], after + MS, 26 * MS) == [25 * MS], "and then all is as before"


def test_a_missing_or_impossible_stamp_is_the_time_of_the_read() -> None:
    mapping = StampMapping(5 * MS)
    impossible = [0, BOOT_WALL - S, BOOT_WALL + S]
    assert mapping.monotonic_ns(impossible, BOOT_WALL + 10 * MS, 10 * MS) == [10 * MS] * 3


@given(
    st.lists(st.integers(0, 2**63 - 1), max_size=20),
    st.integers(0, 2**62),
    st.integers(0, 2**62),
    st.integers(0, 2**62),
)
def test_no_stamp_gives_a_time_outside_the_read(
    stamps: list[int], wall_ns: int, opened_ns: int, after_ns: int
) -> None:
    times = StampMapping(opened_ns).monotonic_ns(stamps, wall_ns, opened_ns + after_ns)
    assert all(opened_ns - SLACK_NS <= each <= opened_ns + after_ns for each in times)
