"""Which speed of a fix counts: the receiver's own by Doppler, or, where that is missing, the one by its positions.

Doppler counts whenever it is there, and then nothing here costs time. Three receivers need more:
  - one that never sends a speed: positions alone (track.py);
  - one that sends positions more often than speeds, or leaves a speed out now and then: between two speeds the last one
    counts, and what has changed since by the positions;
  - one whose speed stays at 0 while it drives (a fixed filter of its firmware): it is not believed from the moment
    when its positions are 50 m away and drive on, until it sends another speed than 0.
"""

from __future__ import annotations

from typing import NamedTuple

from logger.stage import geo
from logger.stage.geo import Position
from logger.stage.track import Motion, Track

STILL_MPS = 0.4
"""Slower is standing: Doppler noise of a parked receiver stays below, and a car in gear creeps faster."""
HELD_US = 1_500_000
"""A speed counts so long for the positions that follow it; receivers send one a second at least."""
KEPT_US = 60_000_000
"""Positions are followed for so long after the last fix that needed it."""
DOUBTED_M = 50.0
"""A receiver that stands does not wander so far."""
FOLLOWED_DEG = 2e-4
"""20 m of latitude: a wander beyond it is followed."""


class FixSpeed(NamedTuple):
    """`way_m` is the way since the last fix where positions say it, None where speeds do. `believed` says whether
    there is enough of a track for a speed by positions, `error_mps` how exact that is (0 for the receiver's own)."""

    mps: float
    way_m: float | None = None
    believed: bool = True
    error_mps: float = 0.0


class FixSpeeds:
    """Follows one receiver."""

    def __init__(self) -> None:
        self._track: Track | None = None
        self._needed_us = 0
        self._told: tuple[int, float] | None = None
        self._at_told_mps: float | None = None
        self._still_at: Position | None = None
        self._doubted = False

    def take(self, at_us: int, here: Position, told_mps: float | None) -> FixSpeed:
        """The speed of a fix, newer than the last. `told_mps` is the receiver's own, if it has sent one."""
        if told_mps is not None:
            left_m = self._left_m(here) if told_mps < STILL_MPS else None
            if told_mps >= STILL_MPS:
                self._still_at, self._doubted = None, False
            if self._track is None and left_m is None:
                self._told = (at_us, told_mps)
                return FixSpeed(told_mps)
            return self._beside_positions(at_us, here, told_mps, left_m)
        self._needed_us = at_us
        motion, ready = self._follow(at_us, here)
        told = self._told
        if told is None or at_us - told[0] > HELD_US or self._doubted:
            return FixSpeed(motion.mps, motion.way_m, ready, motion.error_mps)
        if self._at_told_mps is None or not ready:
            return FixSpeed(told[1])
        return FixSpeed(max(0.0, told[1] + motion.mps - self._at_told_mps))

    def _beside_positions(
        self, at_us: int, here: Position, told_mps: float, left_m: float | None
    ) -> FixSpeed:
        if left_m is not None:
            self._needed_us = at_us
        motion, ready = self._follow(at_us, here)
        if left_m is not None and left_m > DOUBTED_M and ready and motion.mps > 0 and not self._doubted:
            self._doubted, self._told = True, None
            return FixSpeed(motion.mps, left_m, error_mps=motion.error_mps)
        if self._doubted:
            return FixSpeed(motion.mps, motion.way_m, ready, motion.error_mps)
        self._told, self._at_told_mps = (at_us, told_mps), motion.mps if ready else None
        if at_us - self._needed_us > KEPT_US:
            self._track = self._at_told_mps = None
        return FixSpeed(told_mps)

    def _follow(self, at_us: int, here: Position) -> tuple[Motion, bool]:
        if self._track is None:
            self._track = Track()
        return self._track.take(at_us, here), self._track.ready

    def _left_m(self, here: Position) -> float | None:
        """How far a receiver has come whose speed is 0; None while that is wander."""
        if self._still_at is None:
            self._still_at = here
        lat, lon = self._still_at
        if abs(here[0] - lat) + abs(here[1] - lon) < FOLLOWED_DEG and not self._doubted:
            return None
        return geo.distance_m(lat, lon, *here)
