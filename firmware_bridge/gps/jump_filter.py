"""Filter for position jumps, and the plausible speeds of a car.

An 8-bit checksum lets one damaged sentence in 256 through, and a receiver in a canyon can report false positions. A
position further away than the fastest car could have driven is rejected, but remembered: when the next positions
agree with it rather than with the old one for some seconds, it is accepted. So after a ferry trip with the power off
the fix is back in a few seconds, a spoofed or reflected signal of a second or two is rejected, and a receiver is
never locked out. Uses no sentences and no clock.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from firmware_bridge.gps.nmea_fields import DAY_US

RECEIVER_LIMIT_MPS: Final = 515.0
"""1,000 knots, where the CoCom export rule makes civil receivers stop: a field above it is damaged."""
FASTEST_CAR_MPS: Final = 90.0
"""324 km/h, nearly twice the limit of 170 km/h of the fastest class (2026): a speed above it is an error of the
receiver or of the wheel's sensor."""
REACHABLE_MPS: Final = 100.0
"""Largest distance between positions of one car per second between them: `FASTEST_CAR_MPS`, plus a margin of
10 m/s for errors of positions and times."""
SLACK_M: Final = 500.0
"""Largest jump of a standing car's position, when the receiver changes satellites beside a rock wall."""
AGREEING: Final = 3
"""This many rejected positions in a row that agree with each other are accepted after HOLDS_S: damage does not
repeat itself."""
HOLDS_S: Final = 5.0
"""How long they must agree: at 25 Hz three positions take 0.1 s, and false positions that last a second occur."""
_METRES_PER_DEGREE: Final = 111_195.0
"""On a great circle of the mean sphere, which is accurate enough here."""
_NEAR_DEG: Final = SLACK_M / _METRES_PER_DEGREE
"""A difference below this is within the slack at any latitude; this spares trigonometry for nearly all positions."""


class Place(NamedTuple):
    """A position with its time: UTC time of day and day since 1970, if known; arrival on the session's clock."""

    lat: float
    lon: float
    time_us: int | None
    day: int | None
    t_us: int


def distance_m(a: Place, b: Place) -> float:
    """Return the metres between two places, to 1 % over the few kilometres that matter here."""
    north = b.lat - a.lat
    east = (b.lon - a.lon + 180.0) % 360.0 - 180.0
    return _METRES_PER_DEGREE * math.hypot(north, east * math.cos(math.radians((a.lat + b.lat) / 2.0)))


def _elapsed_s(a: Place, b: Place) -> float:
    """Return the longer time by either clock: the session's may stand still in replay, the receiver's may be set.

    The receiver's difference counts in either direction, because its clock may be set back or forward.
    """
    elapsed_us = b.t_us - a.t_us
    if a.time_us is not None and b.time_us is not None:
        apart_us = b.time_us - a.time_us
        if a.day is not None and b.day is not None:
            apart_us += (b.day - a.day) * DAY_US
        else:
            apart_us = (apart_us + DAY_US // 2) % DAY_US - DAY_US // 2
        elapsed_us = max(elapsed_us, abs(apart_us))
    return elapsed_us / 1e6


def _reachable(a: Place, b: Place) -> bool:
    if abs(b.lat - a.lat) + abs(b.lon - a.lon) < _NEAR_DEG:
        return True
    excess_m = distance_m(a, b) - SLACK_M
    return excess_m <= 0.0 or excess_m <= REACHABLE_MPS * _elapsed_s(a, b)


class JumpFilter:
    """Accept or reject positions. `jump_m`: how far the last one passed to `admits` jumped, 0 if it did not."""

    def __init__(self) -> None:
        self.jump_m = 0.0
        self._last: Place | None = None
        self._rejected: Place | None = None
        self._since: Place | None = None
        self._agreeing = 0

    def admits(self, place: Place) -> bool:
        """Return whether `place` is plausible; if so, later ones are compared with it. The first is always accepted."""
        if self._last is None or _reachable(self._last, place):
            self.jump_m = 0.0
        else:
            self.jump_m = distance_m(self._last, place)
            agrees = self._rejected is not None and _reachable(self._rejected, place)
            if not agrees or self._since is None:
                self._agreeing, self._since = 0, place
            self._agreeing += 1
            if self._agreeing < AGREEING or _elapsed_s(self._since, place) < HOLDS_S:
                self._rejected = place
                return False
        self._last, self._rejected = place, None
        return True
