"""Estimate UTC from GPS fixes: which fixes count, and detection of steps.

The estimate is an offset, UTC minus session time. A fix gives the UTC of its epoch minus its own arrival: too small
by the delay of the receiver's output, some 20 to 300 ms, which cannot be measured without a pulse-per-second wire. The
system clock is never read: a Pi has no battery-backed clock.

Rule 1: a fix counts if it has a position and a date that can be true (`trusted_utc_us`).
Rule 2: a fix further than `IN_LINE_US` from the estimate is out of line: a glitch, part of a backlog, or a step of UTC
(a leap second, another date, another week). It is a step once enough fixes in a row agree with the first of them, for
long enough (`StepWatch`).
Rule 3: live, the estimate is the largest offset of the newest fixes, that of the shortest delay (`UtcOffset`). With all
fixes of a session, it is their median (`session_offset_us`).

Users: the clock rows (logger.recorder.clock), drive time (logger.stage.timing), which follows rules 1 and 2 but never
steps, the review, chrony and the doctor.
"""

from __future__ import annotations

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from firmware_bridge.gps.dating import Dates
from firmware_bridge.gps.nmea_fields import DAY_US
from firmware_bridge.records import Fix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IN_LINE_US: Final = 500_000
"""The delays of a serial receiver vary by less."""
AGREEING_FIXES: Final = 5
"""This many fixes out of line in a row, each within `IN_LINE_US` of the first, are a step of UTC after AGREEING_US."""
AGREEING_US: Final = 3_000_000
"""How long they must agree: a backlog of any number of fixes arrives in less time."""
WINDOW_FIXES: Final = 64
"""Number of newest fixes for the shortest delay: 6 s at 10 Hz, a minute at 1 Hz."""


def trusted_utc_us(fix: Fix) -> int | None:
    """Return the UTC of a fix if it may set a clock, else None.

    Without a position a receiver may report its own clock, which was never set.
    """
    return fix.utc_us if fix.date_ok and fix.lat is not None else None


class Judgement(Enum):
    """An offset compared with the estimate."""

    IN_LINE = auto()
    OUT_OF_LINE = auto()
    STEP = auto()


class StepWatch:
    """Distinguish steps of UTC from glitches and backlogs. `agreed_us`: the newest offsets of the last step."""

    def __init__(self) -> None:
        self.agreed_us: tuple[int, ...] = ()
        self._agreeing_us: deque[int] = deque(maxlen=WINDOW_FIXES)
        self._first_us = 0
        self._since_us = 0

    def judge(self, t_us: int, offset_us: int, estimate_us: int) -> Judgement:
        """Judge the offset of a fix that arrived at `t_us`. After a step the caller replaces its estimate."""
        agreeing_us = self._agreeing_us
        if abs(offset_us - estimate_us) <= IN_LINE_US:
            agreeing_us.clear()
            return Judgement.IN_LINE
        if not agreeing_us or abs(offset_us - self._first_us) > IN_LINE_US:
            agreeing_us.clear()
            self._first_us, self._since_us = offset_us, t_us
        agreeing_us.append(offset_us)
        if len(agreeing_us) < AGREEING_FIXES or t_us - self._since_us < AGREEING_US:
            return Judgement.OUT_OF_LINE
        self.agreed_us = tuple(agreeing_us)
        agreeing_us.clear()
        return Judgement.STEP


class UtcOffset:
    """UTC minus session time from the newest fixes. `us` is None until a fix counts."""

    def __init__(self) -> None:
        self.us: int | None = None
        self._offsets_us: deque[int] = deque(maxlen=WINDOW_FIXES)
        self._steps = StepWatch()

    def feed(self, fix: Fix) -> bool:
        """Take a fix; return whether it counts."""
        utc_us = trusted_utc_us(fix)
        if utc_us is None:
            return False
        offset_us = utc_us - fix.t_us
        judgement = Judgement.IN_LINE if self.us is None else self._steps.judge(fix.t_us, offset_us, self.us)
        if judgement is Judgement.OUT_OF_LINE:
            return False
        if judgement is Judgement.STEP:
            self._offsets_us.clear()
            self._offsets_us.extend(self._steps.agreed_us)
        else:
            self._offsets_us.append(offset_us)
        self.us = max(self._offsets_us)
        return True

    @property
    def spread_us(self) -> int:
        """Range of the offsets of the newest fixes that count."""
        return max(self._offsets_us) - min(self._offsets_us)


def session_offset_us(
    t_us: NDArray[np.float64], utc_us: NDArray[np.float64], lat: NDArray[np.float64], dates: Dates
) -> float | None:
    """Return UTC minus session time from all fixes of a session (columns with nan for unknown values).

    A log has no `date_ok`: `dates` decides which days can be true. None if no fix counts.
    """
    import numpy as np  # noqa: PLC0415 - not for the recorder

    located = np.isfinite(lat) & np.isfinite(utc_us)
    t_us, utc_us = t_us[located], utc_us[located]
    days, place = np.unique(utc_us // DAY_US, return_inverse=True)
    trusted = np.array([dates.can_be(int(day * DAY_US)) for day in days], dtype=bool)[place]
    offsets_us = utc_us[trusted] - t_us[trusted]
    return float(np.median(offsets_us)) if len(offsets_us) else None
