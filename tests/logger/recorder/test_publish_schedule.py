"""The live state is published `rate_hz` times per second, and a new fix with hardly a delay."""

from __future__ import annotations

import random

import pytest

from logger.recorder.publish_schedule import PublishSchedule

ROUND_US = 20_000
SECONDS = 60


READINGS_US, BEHIND_US = 100_000, 10_000
"""Engine readings are made for each whole tenth of a second, so long after it."""


def published(
    rate_hz: float, fixes_us: list[int], *, has_readings: bool = False
) -> tuple[list[int], list[int]]:
    """Times of the publications, and the delay of each fix until it is published, in us."""
    schedule = PublishSchedule(rate_hz)
    times, delays, waiting = [], [], list(fixes_us)
    unpublished: list[int] = []
    for now in range(0, SECONDS * 1_000_000, ROUND_US):
        has_fix = False
        while waiting and waiting[0] <= now:
            unpublished.append(waiting.pop(0))
            has_fix = True
        if schedule.is_due(now, has_fix, (BEHIND_US - now) % READINGS_US if has_readings else 0):
            times.append(now)
            delays += [now - fix for fix in unpublished]
            unpublished.clear()
    return times, delays


def fixes(rate_hz: float, jitter_us: int, seed: int) -> list[int]:
    """Times of fixes at an uneven pace."""
    rng = random.Random(seed)
    return sorted(
        int(number * 1e6 / rate_hz) + 7_000 + rng.randrange(jitter_us)
        for number in range(int(SECONDS * rate_hz))
    )


@pytest.mark.parametrize("rate_hz", [1, 4, 10, 25])
@pytest.mark.parametrize("fix_hz", [0, 1, 5, 10, 25])
@pytest.mark.parametrize("has_readings", [False, True])
def test_the_rate_is_kept_whatever_the_fixes(rate_hz: float, fix_hz: float, has_readings: bool) -> None:
    times, _ = published(rate_hz, fixes(fix_hz, 20_000, 1), has_readings=has_readings)
    assert len(times) <= SECONDS * rate_hz + 2
    assert len(times) >= 0.75 * SECONDS * rate_hz


@pytest.mark.parametrize(
    ("jitter_us", "delay_us"), [(1, ROUND_US), (15_000, ROUND_US), (35_000, 3 * ROUND_US)]
)
@pytest.mark.parametrize("seed", range(5))
def test_a_fix_of_the_same_rate_is_hardly_delayed(jitter_us: int, delay_us: int, seed: int) -> None:
    times, delays = published(10, fixes(10, jitter_us, seed))
    delays.sort()
    assert delays[int(0.99 * len(delays))] <= delay_us
    assert len(times) <= SECONDS * 10 + 2


@pytest.mark.parametrize("phase_us", range(0, 100_000, 10_000))
def test_fixes_and_readings_are_shown_in_time_whatever_their_phase(phase_us: int) -> None:
    times, delays = published(10, [fix + phase_us for fix in fixes(10, 1, 1)], has_readings=True)
    assert max(delays[2:]) <= 70_000 + ROUND_US
    made = range(10 * READINGS_US + BEHIND_US, times[-1], READINGS_US)
    waits = [min(time - at for time in times if time >= at) for at in made]
    assert max(waits) <= 30_000 + ROUND_US


def test_a_slow_receiver_is_shown_at_once() -> None:
    _, delays = published(10, fixes(1, 35_000, 3))
    assert max(delays) <= 100_000


def test_after_a_stall_nothing_is_made_up_for() -> None:
    schedule = PublishSchedule(10)
    assert schedule.is_due(0, has_fix=False, to_readings_us=0) is False
    assert schedule.is_due(30_000, has_fix=False, to_readings_us=0)
    assert schedule.is_due(9_000_000, has_fix=False, to_readings_us=0)
    assert [schedule.is_due(9_000_000 + 20_000 * n, has_fix=True, to_readings_us=0) for n in range(6)].count(
        True
    ) <= 2
