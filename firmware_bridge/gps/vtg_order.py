"""Whether a receiver sends VTG before or after the sentences of its epoch that carry a time.

VTG has no time of its own. Most receivers send it after the first sentence with one, some before. Knows no sentence,
only how long before VTG the last timed sentence arrived, and how long after it the next one: within a burst the way is
short. Where sentences are stamped by the times within them these show nothing: then the first sentence of all is taken
for the first of its burst.
"""

from __future__ import annotations

from typing import Final

_VOTES: Final = 8
"""How sure it can become whether VTG leads or follows."""


class VtgOrder:
    """Learned from one VTG after another. `has_arrivals` is False where the stamps are the sentences' own times."""

    def __init__(self, *, has_arrivals: bool) -> None:
        self._has_arrivals = has_arrivals
        self._votes = -1

    @property
    def leads(self) -> bool:
        """Whether VTG comes before the sentences of its epoch."""
        return self._votes > 0

    def came_first(self) -> None:
        """The first sentence of all is VTG."""
        self._votes = 1

    def is_of_next(self, before_us: int, after_us: int, patience_us: int) -> bool:
        """Whether a VTG that no epoch has taken is of the burst that has just begun."""
        if not self._has_arrivals:
            return self.leads
        return (self.leads or 4 * after_us < before_us) and after_us <= patience_us

    def learn(self, before_us: int, after_us: int) -> None:
        """A VTG stood alone between the sentences of two epochs."""
        if not self._has_arrivals:
            return
        if 2 * before_us < after_us:
            self._votes = max(self._votes - 1, -_VOTES)
        elif 2 * after_us < before_us:
            self._votes = min(self._votes + 1, _VOTES)
