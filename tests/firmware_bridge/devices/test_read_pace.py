"""StampedPace: when frames with times are read, and how exact their times are then."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.devices.read_pace import (
    GATHER_S,
    PROMPT_READS,
    READ_LEAD_US,
    STAMPED_READ_US,
    StampedPace,
)
from firmware_bridge.protocols.devicetime import DeviceClock

TRANSIT_US = 1_000
"""From the adapter's stamp to the bytes in the port: a frame of full-speed USB."""


@given(st.integers(0, 10**12))
def test_frames_with_times_are_read_shortly_before_each_tenth_of_a_second(t_us: int) -> None:
    pace = StampedPace()
    assert [pace.pause_s(t_us) for _ in range(PROMPT_READS)] == [0.0] * PROMPT_READS
    next_us = t_us + round(1e6 * pace.pause_s(t_us))
    is_at_mark = (next_us + READ_LEAD_US) % STAMPED_READ_US == 0
    assert next_us - t_us <= STAMPED_READ_US
    assert is_at_mark or next_us == t_us + round(1e6 * GATHER_S)


def reads(sent_us: list[int]) -> Iterator[tuple[int, list[int]]]:
    """When frames that were sent at `sent_us` are read, and which."""
    pace, now_us, begin = StampedPace(), 0, 0
    while begin < len(sent_us):
        now_us = max(now_us, sent_us[begin] + TRANSIT_US)
        end = begin
        while end < len(sent_us) and sent_us[end] + TRANSIT_US <= now_us:
            end += 1
        yield now_us, sent_us[begin:end]
        begin, now_us = end, now_us + round(1e6 * pace.pause_s(now_us))


@pytest.mark.parametrize("ppm", [-200, 0, 200])
@pytest.mark.parametrize("period_us", [1_000, 10_000, 20_000, 50_000, 100_000, 500_000])
def test_times_do_not_depend_on_the_phase_of_the_bus(period_us: int, ppm: int) -> None:
    """A bus whose period divides the interval of reads, and one with frames at random times."""
    for seed in range(4):
        chance = random.Random(seed)
        periodic = range(chance.randrange(period_us), 20_000_000, period_us)
        sometimes = sorted(chance.sample(range(20_000_000), len(periodic)))
        for sent_us in ([*periodic], sometimes):
            clock = DeviceClock(1_000, (60_000, 60_001, 65_536))
            for now_us, frames_us in reads(sent_us):
                stamps = [int(t_us * (1 + ppm / 1e6)) // 1_000 for t_us in frames_us]
                times_us = clock.session_us(stamps, now_us)
                if now_us > 4_000_000:
                    off_us = [time - sent for time, sent in zip(times_us, frames_us, strict=True)]
                    assert -2_000 <= min(off_us) <= max(off_us) <= TRANSIT_US + 2_000
