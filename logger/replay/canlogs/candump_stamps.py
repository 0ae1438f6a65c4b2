"""The stamps of candump, in its screen output and in its logs.

Those of `-t a` (seconds since 1970, usual in logs) and `-t A` (date and time) are absolute, those of `-t z` count from
the first frame and those of `-t d` from the previous frame. The last two look alike, but only times between frames
decrease and do not grow. Without stamps, frames count as one millisecond apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median
from typing import Final

from logger.replay.canlogs.entry import micros

STAMP: Final = rb"\((?:(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):)?(\d{1,12}\.\d{1,9})\)"
"""A regular expression for a stamp. Its six groups are the date up to the minutes, and the seconds."""
GROUPS: Final = 6
STEP_US: Final = 1000
"""Between frames without stamps: a busy 500 kbit/s bus carries a few frames a millisecond, an idle one fewer."""
_ENOUGH_TO_GROW: Final = 8
"""Minimum number of stamps to judge growth: with fewer, a decrease alone decides."""
_LARGEST_RELATIVE_US: Final = 1_000_000 * 1_000_000
"""Eleven days; stamps since 1970 are larger."""

Groups = Sequence[bytes | None]
"""The groups of STAMP; all None without a stamp."""


class Stamps:
    """Turns the stamps of one file into microseconds. `head`: those of its first frames."""

    def __init__(self, head: Sequence[Groups]) -> None:
        self._is_delta = _are_deltas([micros(each[5]) for each in head if each[5] and not each[0]])
        self._last_us = 0

    def at_us(self, groups: Groups) -> int:
        """The time of a line; the next relative stamp counts from it."""
        year, seconds = groups[0], groups[5]
        if seconds is None:
            self._last_us += STEP_US
        elif year is not None:
            self._last_us = _date_us(groups, seconds)
        elif self._is_delta:
            self._last_us += micros(seconds)
        else:
            self._last_us = micros(seconds)
        return self._last_us


def _are_deltas(stamps: Sequence[int]) -> bool:
    """Whether stamps count from frame to frame. Frames of two interfaces may be slightly out of order too, but their
    stamps grow."""
    if not stamps or max(stamps) > _LARGEST_RELATIVE_US:
        return False
    if len(stamps) >= _ENOUGH_TO_GROW:
        half = len(stamps) // 2
        if median(stamps[half:]) > max(stamps[:half]):
            return False
    elif stamps[0] != 0:
        return False
    return any(later <= earlier for earlier, later in pairwise(stamps[1:]))


def _date_us(groups: Groups, seconds: bytes) -> int:
    """A date and time of day in an unknown zone: only differences matter."""
    year, month, day, hour, minute = (int(part or b"0") for part in groups[:5])
    try:
        at = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return micros(seconds)
    return int(at.timestamp()) * 1_000_000 + micros(seconds)
