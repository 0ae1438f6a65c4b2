"""Map the kernel's wall-clock time stamps to the monotonic clock.

The kernel stamps a received frame with the wall clock, which may step: a Pi without a battery clock starts decades off
and is set while the car drives. Rule 1: the difference between the two clocks is measured at each read, so a step
affects at most the frames that wait in the socket at that moment. Rule 2: those frames arrived after the previous
read, which emptied the socket, and before this one. The difference that satisfies this applies to them: the current
one or that of the previous read. Rule 3: a stamp that fits neither, or a missing one (0), is replaced by the time of
the read. Reads no clock.
"""

from __future__ import annotations

from collections.abc import Sequence

SLACK_NS = 1_000_000
"""Tolerance for the time between reading the two clocks, and between emptying the socket and reading the clock."""


class StampMapping:
    """Maps the stamps of one socket, which was opened at `opened_ns` of the monotonic clock."""

    def __init__(self, opened_ns: int) -> None:
        self._since_ns = opened_ns
        self._difference_ns: int | None = None

    def monotonic_ns(self, stamps_ns: Sequence[int], wall_ns: int, now_ns: int) -> list[int]:
        """The monotonic times of frames read until `now_ns`, when the wall clock showed `wall_ns`."""
        difference_ns = wall_ns - now_ns
        previous_ns = difference_ns if self._difference_ns is None else self._difference_ns
        earliest_ns = self._since_ns - SLACK_NS
        self._since_ns, self._difference_ns = now_ns, difference_ns
        times_ns = []
        for stamp_ns in stamps_ns:
            for time_ns in (stamp_ns - difference_ns, stamp_ns - previous_ns):
                if earliest_ns <= time_ns <= now_ns + SLACK_NS:
                    times_ns.append(min(time_ns, now_ns))
                    break
            else:
                times_ns.append(now_ns)
        return times_ns
