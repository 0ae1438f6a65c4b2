"""Kernel stamps of the wall clock, mapped onto the monotonic clock.

The kernel stamps a received frame with the wall clock, and that clock steps: a Pi without a battery clock starts
decades off and is set while the car drives. Rule 1: the distance between the two clocks is measured at each read, so
a step touches at most the frames that wait in the socket at that moment. Rule 2: those came after the read before,
which emptied the socket, and before this one; the distance under which that is true is theirs, the present one or
the one of the read before. Rule 3: a stamp for which neither is true, or a missing one (0), is replaced by the time
of the read. Reads no clock.
"""

from __future__ import annotations

from collections.abc import Sequence

SLACK_NS = 1_000_000
"""Between the readings of the two clocks, and between an empty socket and the clock, this much may pass."""


class StampMapping:
    """The mapping of one socket's stamps; `opened_ns` is when it was opened, by the monotonic clock."""

    def __init__(self, opened_ns: int) -> None:
        self._since_ns = opened_ns
        self._distance_ns: int | None = None

    def monotonic_ns(self, stamps_ns: Sequence[int], wall_ns: int, now_ns: int) -> list[int]:
        """The monotonic times of frames read until `now_ns`, when the wall clock said `wall_ns`."""
        distance_ns = wall_ns - now_ns
        before_ns = distance_ns if self._distance_ns is None else self._distance_ns
        earliest_ns = self._since_ns - SLACK_NS
        self._since_ns, self._distance_ns = now_ns, distance_ns
        times_ns = []
        for stamp_ns in stamps_ns:
            for time_ns in (stamp_ns - distance_ns, stamp_ns - before_ns):
                if earliest_ns <= time_ns <= now_ns + SLACK_NS:
                    times_ns.append(min(time_ns, now_ns))
                    break
            else:
                times_ns.append(now_ns)
        return times_ns
