"""Running time of the engine: above idle speed, without gaps, whatever the blocks of readings."""

from __future__ import annotations

import numpy as np
import pytest

from logger.judgement.engine_hours import LONGEST_GAP_US, RUNNING_RPM, RunningTime, RunningTimeSum

S_US = 1_000_000


def total(*blocks: tuple[list[int], list[float], list[float]]) -> RunningTime:
    """Of blocks of (session, seconds, rpm)."""
    summed = RunningTimeSum()
    for session, seconds, rpm in blocks:
        t_us = np.round(np.array(seconds) * S_US).astype(np.int64)
        summed.add(np.array(session, dtype=np.int64), t_us, np.array(rpm, dtype=np.float64))
    return summed.total


def drive(seconds: int, rpm: float, session: int = 1) -> tuple[list[int], list[float], list[float]]:
    """Readings at 10 Hz."""
    count = seconds * 10 + 1
    return [session] * count, [at / 10 for at in range(count)], [rpm] * count


@pytest.mark.parametrize(
    ("rpm", "running_s"), [(0, 0), (RUNNING_RPM, 0), (RUNNING_RPM + 1, 3600), (6000, 3600)]
)
def test_only_a_running_engine_counts(rpm: float, running_s: float) -> None:
    assert total(drive(3600, rpm)).total_s == running_s


@pytest.mark.parametrize("size", [1, 7, 100, 36_001])
def test_the_blocks_do_not_matter(size: int) -> None:
    session, seconds, rpm = drive(3600, 3000)
    blocks = [
        tuple(part[at : at + size] for part in (session, seconds, rpm)) for at in range(0, len(rpm), size)
    ]
    assert total(*blocks[:400]).total_s == pytest.approx(min(3600, (400 * size - 1) / 10), abs=0.1)  # type: ignore[arg-type]


def test_a_gap_and_the_time_between_sessions_do_not_count() -> None:
    gap_s = LONGEST_GAP_US / S_US
    assert total(([1] * 4, [0, gap_s, 2 * gap_s + 1, 2 * gap_s + 2], [3000] * 4)).total_s == gap_s + 1
    assert total(drive(60, 3000, 1), drive(30, 3000, 2)).total_s == 90
    assert total(([1] * 3, [10, 5, 5], [3000] * 3)).total_s == 0, "time that goes backwards"
    assert total(([1] * 3, [0, 1, 2], [3000, float("nan"), 3000])).total_s == 1
    assert total().total_s == 0


def test_a_moment_divides_it() -> None:
    running = total(drive(600, 3000, 1), drive(300, 3000, 2))
    assert running.since_s(1, 0) == 900
    assert running.since_s(1, 400 * S_US) == 500
    assert running.since_s(2, 0) == 300
    assert running.since_s(3, 0) == 0
