"""Drive time: a monotonic clock for all timing, paced by GPS and never stepped.

Three clocks meet here. `t_us` is the session's monotonic clock at which bytes arrived; `utc_us` is the receiver's
UTC of an epoch; `at_us` is drive time, in which all elapsed times are differences. It begins as the session's
clock. Once UTC is known, a fix's drive time follows its UTC, so that neither the delay of a cable nor a stall of
this computer moves a split; and it continues across a power cut, because UTC does. When UTC itself steps (a leap
second, a receiver that learns the date), drive time does not: durations stay true. `firmware_bridge.gps.utc`
distinguishes such a step from the late fixes of a stall.
"""

from __future__ import annotations

from typing import NamedTuple

from firmware_bridge.gps.utc import IN_LINE_US, Judgement, StepWatch

DRIFT_US_PER_S = 100
"""A Pi's crystal is wrong by up to 50 parts in a million; the estimate may drift at twice that rate."""
LONGEST_GAP_US = 36 * 3_600_000_000
"""A marathon stage spans one night: a longer gap between two sessions means a wrong date."""


class ClockState(NamedTuple):
    """The state that the next session resumes from: the last drive time, and UTC at drive time 0."""

    at_us: int
    zero_utc_us: int | None


class DriveClock:
    """Convert between `t_us`, UTC and drive time."""

    def __init__(self) -> None:
        self._zero_utc_us: int | None = None  # UTC at drive time 0
        self._offset_us = 0  # drive time minus t_us, at the shortest delay so far
        self._offset_t_us = 0
        self._fix_us = 0  # drive time of the last fix
        self._reached_us = 0  # newest drive time, for the state
        # Drive time of the resumed state; the offset is a guess until UTC gives the length of the gap.
        self._resumed_us: int | None = None
        self._steps = StepWatch()

    def fix_us(self, t_us: int, utc_us: int | None) -> int:
        """Return the drive time of a fix that arrived at `t_us` with the UTC `utc_us`."""
        expected = self.at_us(t_us)
        if utc_us is None:
            return expected
        if self._zero_utc_us is None:
            self._zero_utc_us = utc_us - expected
            self._resumed_us = None
            return expected
        at_us = utc_us - self._zero_utc_us
        if self._resumed_us is not None:
            return self._bridge(at_us - self._resumed_us, at_us, expected, t_us, utc_us)
        step = at_us - expected
        judgement = self._steps.judge(t_us, utc_us - t_us, self._zero_utc_us + self._offset_us)
        if judgement is Judgement.IN_LINE:
            drift = (t_us - self._offset_t_us) * DRIFT_US_PER_S // 1_000_000
            self._offset_us += max(step, -max(drift, 0))
            self._offset_t_us = t_us
            return self._taken(at_us)
        if judgement is Judgement.STEP:
            self._zero_utc_us += step
        elif step < 0 and self._fix_us < expected + step:  # delayed, but still in order
            return self._taken(at_us)
        return self._taken(expected)

    def at_us(self, t_us: int) -> int:
        """Return the drive time at a session time."""
        return t_us + self._offset_us

    def advance(self, t_us: int) -> None:
        """Advance to session time `t_us`; the saved state continues from there even without a fix."""
        self._reached_us = max(self._reached_us, self.at_us(t_us))

    def t_us(self, at_us: int) -> int:
        """Return the session time of a drive time (negative if it lies in an earlier session)."""
        return at_us - self._offset_us

    def utc_us(self, at_us: int) -> int | None:
        """Return the UTC at a drive time, or None while UTC is not known."""
        return None if self._zero_utc_us is None else self._zero_utc_us + at_us

    def of_utc(self, utc_us: int) -> int | None:
        """Return the drive time at `utc_us`, or None while UTC is not known."""
        return None if self._zero_utc_us is None else utc_us - self._zero_utc_us

    def state(self) -> ClockState:
        """Return the state for `resume`."""
        return ClockState(self._reached_us, self._zero_utc_us)

    def resume(self, state: ClockState, gap_s: float | None) -> None:
        """Resume from an earlier session's state. `gap_s`: the time from that state to this session's t_us = 0, known
        only if the computer did not restart. The first fix with UTC corrects it."""
        self._zero_utc_us = state.zero_utc_us
        self._fix_us = self._reached_us = state.at_us
        self._offset_us = state.at_us + int((gap_s or 0.0) * 1e6)
        self._resumed_us = state.at_us

    def _bridge(self, gap_us: int, at_us: int, expected: int, t_us: int, utc_us: int) -> int:
        """Set the offset from the first UTC after a resume, which gives the length of the gap."""
        self._resumed_us = None
        self._offset_t_us = t_us
        if -IN_LINE_US <= gap_us <= LONGEST_GAP_US:
            self._offset_us = at_us - t_us
            return self._taken(at_us)
        self._zero_utc_us = utc_us - expected
        return expected

    def _taken(self, at_us: int) -> int:
        self._fix_us = max(self._fix_us, at_us)
        self._reached_us = max(self._reached_us, at_us)
        return at_us
