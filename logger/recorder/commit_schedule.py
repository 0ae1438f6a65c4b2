"""When the writer commits: as seldom as the stated loss allows. Reads no clock."""

from __future__ import annotations

_SYNC_SHARE = 0.9
"""Share of `max_loss_s` within which rows are on the card."""
_WAY_S = 0.03
"""The least that the rest has to be, for the way to the writer: up to 5 ms in the port and 20 ms to the round."""
_LONG_READS_LOSS_S = 0.5
"""The smallest `max_loss_s` with which frames that carry their times may be read rarely."""
_LONG_READS_WAY_S = 0.18
"""The way of such frames: up to 100 ms in the port and 70 ms to the round."""
MIN_INTERVAL_S = 0.1
"""Minimum interval between commits where `max_loss_s` allows it: more would only make a slow card slower."""


class CommitSchedule:
    """Rows that reach the port at any time are on the card within `max_loss_s`."""

    def __init__(self, max_loss_s: float) -> None:
        self.allows_long_reads = max_loss_s >= _LONG_READS_LOSS_S
        """Whether `max_loss_s` includes the time that frames wait in the port for a rare read."""
        way_s = _LONG_READS_WAY_S if self.allows_long_reads else _WAY_S
        self._within_s = min(max_loss_s * _SYNC_SHARE, max_loss_s - way_s)

    def delay_s(self, commit_s: float, waited_s: float) -> float:
        """Time until the next commit, which takes `commit_s`; the queue was last emptied `waited_s` ago."""
        return max(min(MIN_INTERVAL_S, self._within_s / 2), self._within_s - commit_s - waited_s)
