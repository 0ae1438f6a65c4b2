"""Learn whether a receiver sends VTG before or after the timed sentences of its epoch.

VTG has no time of its own. Most receivers send it after the first timed sentence, some before. This is learned from
the gaps between VTG and the timed sentences before and after it: within a burst the gap is short. If the timestamps
are the sentences' own times, gaps mean nothing: then VTG leads if it is the very first sentence.
"""

from __future__ import annotations

from typing import Final

_VOTES: Final = 8
"""Bound on the votes for VTG leading or following."""


class VtgOrder:
    """Votes for VTG leading or following. `has_arrivals` is False if timestamps are the sentences' own times."""

    def __init__(self, *, has_arrivals: bool) -> None:
        self._has_arrivals = has_arrivals
        self._votes = -1

    @property
    def leads(self) -> bool:
        """Whether VTG comes before the timed sentences of its epoch."""
        return self._votes > 0

    def came_first(self) -> None:
        """Take a VTG that is the very first sentence."""
        self._votes = 1

    def is_of_next(self, before_us: int, after_us: int, pause_limit_us: int) -> bool:
        """Return whether a VTG that no epoch has taken belongs to the burst that has just begun."""
        if not self._has_arrivals:
            return self.leads
        return (self.leads or 4 * after_us < before_us) and after_us <= pause_limit_us

    def learn(self, before_us: int, after_us: int) -> None:
        """Take the gaps around a single VTG between the sentences of two epochs."""
        if not self._has_arrivals:
            return
        if 2 * before_us < after_us:
            self._votes = max(self._votes - 1, -_VOTES)
        elif 2 * after_us < before_us:
            self._votes = min(self._votes + 1, _VOTES)
