"""UTC from fixes: trusted fixes, steps, and agreement of all users."""

from __future__ import annotations

import math

import numpy as np
import pytest

from firmware_bridge.gps.dating import Dates
from firmware_bridge.gps.utc import (
    AGREEING_FIXES,
    AGREEING_US,
    IN_LINE_US,
    WINDOW_FIXES,
    Judgement,
    StepWatch,
    UtcOffset,
    session_offset_us,
    trusted_utc_us,
)
from firmware_bridge.records import Fix
from logger.stage.timing import DriveClock

NOON = 1_768_478_400_000_000
S = 1_000_000
FIX = Fix(0, NOON, 20.0, 42.0, None, None, None, 1, 8, 1.0)


def test_a_fix_without_a_position_or_with_an_implausible_date_gives_no_utc() -> None:
    assert trusted_utc_us(FIX) == NOON
    for odd in (
        FIX._replace(utc_us=None),
        FIX._replace(lat=None, lon=None, quality=0),
        FIX._replace(date_ok=False),
    ):
        assert trusted_utc_us(odd) is None
        assert not UtcOffset().feed(odd)


@pytest.mark.parametrize("sign", [1, -1])
def test_both_sides_of_each_threshold(sign: int) -> None:
    watch = StepWatch()
    assert watch.judge(0, sign * IN_LINE_US, 0) is Judgement.IN_LINE
    far_us = sign * (IN_LINE_US + 1)
    most = AGREEING_FIXES - 1
    early = [watch.judge(AGREEING_US * n // most - (n == most), far_us, 0) for n in range(AGREEING_FIXES)]
    assert set(early) == {Judgement.OUT_OF_LINE}, "a microsecond too early"
    assert watch.judge(AGREEING_US, far_us, 0) is Judgement.STEP
    assert watch.agreed_us == (far_us,) * (AGREEING_FIXES + 1)
    watch = StepWatch()
    few = [watch.judge(AGREEING_US * n, far_us, 0) for n in range(AGREEING_FIXES)]
    assert few == [Judgement.OUT_OF_LINE] * most + [Judgement.STEP], "one too few, however long"


def test_an_endless_backlog_stays_small() -> None:
    watch = StepWatch()
    for number in range(10 * WINDOW_FIXES):
        assert watch.judge(number, 10 * S, 0) is Judgement.OUT_OF_LINE
    assert watch.judge(AGREEING_US, 10 * S, 0) is Judgement.STEP
    assert len(watch.agreed_us) == WINDOW_FIXES


@pytest.mark.parametrize("hz", [1, 5, 10, 25])
@pytest.mark.parametrize("step_s", [-86_400, -18, -1, 1, 18, 3600])
@pytest.mark.parametrize("stall_s", [0, 4])
def test_clock_rows_and_drive_time_learn_the_same(hz: int, step_s: int, stall_s: int) -> None:
    """A backlog after 20 s, a step of UTC after 40 s: both are judged alike, so the page shows what the log has."""
    offset, drive = UtcOffset(), DriveClock()
    for number in range(60 * hz):
        taken_us = number * S // hz
        t_us = (20 + stall_s) * S + number if 20 * S <= taken_us < (20 + stall_s) * S else taken_us
        fix = FIX._replace(t_us=t_us, utc_us=NOON + taken_us + (step_s * S if taken_us >= 40 * S else 0))
        offset.feed(fix)
        drive.fix_us(t_us, trusted_utc_us(fix))
        assert offset.us is not None
        difference_us = (drive.utc_us(drive.at_us(t_us)) or 0) - (t_us + offset.us)
        assert abs(difference_us) < 5_000, "no more than the drift that drive time allows a crystal"
    assert offset.us == NOON + step_s * S


def test_the_median_of_a_session_uses_only_trusted_fixes() -> None:
    rollover_us = 1024 * 7 * 86_400 * S
    rows = [
        *((n * S, NOON + n * S, 20.0) for n in range(5)),
        (5 * S, NOON + 9 * S, 20.0),  # a glitch
        *((n * S, NOON + n * S - rollover_us, 20.0) for n in range(6, 20)),
        *((n * S, NOON + n * S + 7 * S, math.nan) for n in range(20, 40)),
        (40 * S, math.nan, 20.0),
    ]
    t_us, utc_us, lat = np.array(rows).T
    assert session_offset_us(t_us, utc_us, lat, Dates()) == NOON
    assert session_offset_us(t_us[20:], utc_us[20:], lat[20:], Dates()) is None
    assert session_offset_us(t_us[:0], utc_us[:0], lat[:0], Dates()) is None
