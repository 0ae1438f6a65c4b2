"""Select the speed of a fix: the receiver's Doppler speed, else one computed from positions.

The receiver's own speed has priority, and with it this module costs almost no time. Three kinds of receiver need more:
  - no speed at all: positions alone (track.py);
  - positions more often than speeds, or a speed missing now and then: between two speeds the last one counts, plus the
    change since then by positions;
  - a speed that stays at 0 while the car drives (a firmware filter that cannot be turned off): it is rejected once the
    positions are 50 m away and still moving, until the receiver sends a speed other than 0.
"""

from __future__ import annotations

from typing import NamedTuple

from logger.stage import geo
from logger.stage.geo import Position
from logger.stage.track import Motion, Track

STILL_MPS = 0.4
"""A slower car stands: the Doppler noise of a parked receiver stays below this, and a car in gear creeps faster."""
HELD_US = 1_500_000
"""How long a speed counts for the positions that follow it; receivers send at least one per second."""
KEPT_US = 60_000_000
"""How long the track is kept after the last fix that needed it."""
DOUBTED_M = 50.0
"""Positions of a standing receiver do not wander this far."""
FOLLOWED_DEG = 2e-4
"""20 m of latitude: a larger change of position starts a track."""


class FixSpeed(NamedTuple):
    """The speed of a fix. `way_m`: distance since the last fix if it comes from positions, None if from speeds.
    `believed`: whether the track is long enough for a speed from positions. `error_mps`: its standard error (0 for
    the receiver's own speed)."""

    mps: float
    way_m: float | None = None
    believed: bool = True
    error_mps: float = 0.0


class FixSpeeds:
    """Select the speeds of one receiver's fixes."""

    def __init__(self) -> None:
        self._track: Track | None = None
        self._needed_us = 0
        self._receiver_speed: tuple[int, float] | None = None
        self._track_mps: float | None = None
        self._still_at: Position | None = None
        self._doubted = False

    def take(self, at_us: int, here: Position, receiver_mps: float | None) -> FixSpeed:
        """Return the speed of a fix newer than the last. `receiver_mps`: the receiver's own speed, if any."""
        if receiver_mps is not None:
            left_m = self._left_m(here) if receiver_mps < STILL_MPS else None
            if receiver_mps >= STILL_MPS:
                self._still_at, self._doubted = None, False
            if self._track is None and left_m is None:
                self._receiver_speed = (at_us, receiver_mps)
                return FixSpeed(receiver_mps)
            return self._beside_positions(at_us, here, receiver_mps, left_m)
        self._needed_us = at_us
        motion, ready = self._follow(at_us, here)
        held = self._receiver_speed
        if held is None or at_us - held[0] > HELD_US or self._doubted:
            return FixSpeed(motion.mps, motion.way_m, ready, motion.error_mps)
        if self._track_mps is None or not ready:
            return FixSpeed(held[1])
        return FixSpeed(max(0.0, held[1] + motion.mps - self._track_mps))

    def _beside_positions(
        self, at_us: int, here: Position, receiver_mps: float, left_m: float | None
    ) -> FixSpeed:
        if left_m is not None:
            self._needed_us = at_us
        motion, ready = self._follow(at_us, here)
        if left_m is not None and left_m > DOUBTED_M and ready and motion.mps > 0 and not self._doubted:
            self._doubted, self._receiver_speed = True, None
            return FixSpeed(motion.mps, left_m, error_mps=motion.error_mps)
        if self._doubted:
            return FixSpeed(motion.mps, motion.way_m, ready, motion.error_mps)
        self._receiver_speed, self._track_mps = (at_us, receiver_mps), motion.mps if ready else None
        if at_us - self._needed_us > KEPT_US:
            self._track = self._track_mps = None
        return FixSpeed(receiver_mps)

    def _follow(self, at_us: int, here: Position) -> tuple[Motion, bool]:
        if self._track is None:
            self._track = Track()
        return self._track.take(at_us, here), self._track.ready

    def _left_m(self, here: Position) -> float | None:
        """Return how far the positions have moved while the receiver sends speed 0; None while that is wander."""
        if self._still_at is None:
            self._still_at = here
        lat, lon = self._still_at
        if abs(here[0] - lat) + abs(here[1] - lon) < FOLLOWED_DEG and not self._doubted:
            return None
        return geo.distance_m(lat, lon, *here)
