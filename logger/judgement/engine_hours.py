"""Running time of the engine: how long its revolutions were above `RUNNING_RPM`.

The time from one reading to the next counts if the first shows a running engine. Sums of `BUCKET_US` are kept, so that
a day takes little memory and a moment within the log can divide it: hours before and after a part was changed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from logger.judgement.evidence import Floats
from logger.logfile.selection import Integers

RPM: Final = "rpm"
"""The channel of revolutions, as the presets and alarms name it."""
RUNNING_RPM: Final = 400.0
"""A starter turns an engine at 150 to 300; the slowest idle is above 500."""
LONGEST_GAP_US: Final = 30_000_000
"""A gateway or a poll of many values gives one every few seconds; a longer gap in the readings proves nothing."""
BUCKET_US: Final = 10_000_000
"""Resolution of the sums."""


class RunningTime(NamedTuple):
    """Running time by stretches, one column per field: session, begin of the stretch, and time that it ran there."""

    session: Integers
    t_us: Integers
    running_us: Integers

    @property
    def total_s(self) -> float:
        """Running time of the whole log."""
        return round(int(self.running_us.sum()) / 1e6, 1)

    def since_s(self, session: int, t_us: int) -> float:
        """Running time after a moment of the log, to `BUCKET_US`."""
        after = (self.session > session) | ((self.session == session) & (self.t_us >= t_us))
        return round(int(self.running_us[after].sum()) / 1e6, 1)


class RunningTimeSum:
    """Adds up the running time of one channel from consecutive blocks of its readings."""

    def __init__(self) -> None:
        none = np.empty(0, dtype=np.int64)
        self._last: tuple[Integers, Integers, Floats] = none, none, np.empty(0)
        self._parts: list[Integers] = [np.empty((3, 0), dtype=np.int64)]

    def add(self, session: Integers, t_us: Integers, rpm: Floats) -> None:
        """Add readings that follow the previous ones."""
        session, t_us, rpm = (
            np.concatenate(pair) for pair in zip(self._last, (session, t_us, rpm), strict=True)
        )
        self._last = session[-1:], t_us[-1:], rpm[-1:]
        step_us = np.diff(t_us)
        counts = (
            (rpm[:-1] > RUNNING_RPM) & (np.diff(session) == 0) & (step_us > 0) & (step_us <= LONGEST_GAP_US)
        )
        session, t_us, step_us = session[:-1][counts], t_us[:-1][counts], step_us[counts]
        if not len(t_us):
            return
        bucket = t_us // BUCKET_US
        begins = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1) | np.diff(session, prepend=session[0]))
        self._parts.append(
            np.stack([session[begins], bucket[begins] * BUCKET_US, np.add.reduceat(step_us, begins)])
        )

    @property
    def total(self) -> RunningTime:
        """The running time so far."""
        return RunningTime(*np.concatenate(self._parts, axis=1))
