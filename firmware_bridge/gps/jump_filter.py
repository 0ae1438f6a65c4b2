"""Plausible speeds of a car, and whether it can have come from where it was to where it is said to be now.

An 8-bit checksum lets one damaged sentence in 256 through, and a receiver in a canyon invents places of its
own. The idea: what lies further off than the fastest car could have driven is rejected; but it is remembered,
and when the next positions agree with it rather than with the old place for some seconds, the car is there. So
a ferry with the power off costs a few seconds, a spoofed or reflected signal of a second or two is no
position, and nothing locks the receiver out. Knows no sentences and no clock.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from firmware_bridge.gps.nmea_fields import DAY_US

RECEIVER_LIMIT_MPS: Final = 515.0
"""1,000 knots, where the CoCom export rule makes a civil receiver stop: a field above it is damaged. No car's limit."""
FASTEST_CAR_MPS: Final = 90.0
"""324 km/h, nearly twice the limit of 170 km/h of the fastest class (2026): a speed above it is an error of the
receiver or of the wheel's sensor."""
REACHABLE_MPS: Final = 100.0
"""What positions that one car drove through can lie apart, for each second between them: `FASTEST_CAR_MPS`, and 10 m/s
for the errors of positions and times (our margin)."""
SLACK_M: Final = 500.0
"""What a receiver moves a standing car by when it changes satellites, beside a rock wall, at the worst."""
AGREEING: Final = 3
"""So many rejected positions in a row that fit each other are believed: damage does not repeat itself ..."""
HOLDS_S: Final = 5.0
"""... once they have held for so long: at 25 Hz three of them take a tenth of a second, and receivers have been
seen a second elsewhere."""
_METRES_PER_DEGREE: Final = 111_195.0
"""Of a great circle on the mean sphere; the gate needs no better."""
_NEAR_DEG: Final = SLACK_M / _METRES_PER_DEGREE
"""So near lie nearly all positions to the last one: within the slack at any latitude, without trigonometry."""


class Place(NamedTuple):
    """A position and when it was: UTC time of day and day since 1970, where known; arrival on our clock."""

    lat: float
    lon: float
    time_us: int | None
    day: int | None
    t_us: int


def distance_m(a: Place, b: Place) -> float:
    """Between two places, good to a percent at the gate's few kilometres and never far off elsewhere."""
    north = b.lat - a.lat
    east = (b.lon - a.lon + 180.0) % 360.0 - 180.0
    return _METRES_PER_DEGREE * math.hypot(north, east * math.cos(math.radians((a.lat + b.lat) / 2.0)))


def _elapsed_s(a: Place, b: Place) -> float:
    """The longest of what either clock can say: ours stands still in replay, the receiver's may be set.

    A clock that is set back says as little of the way between as one set forward: both count.
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


class Gate:
    """Admits positions. `jump_m` is how far the last one asked about jumped, 0 if it did not."""

    def __init__(self) -> None:
        self.jump_m = 0.0
        self._last: Place | None = None
        self._rejected: Place | None = None
        self._since: Place | None = None
        self._agreeing = 0

    def admits(self, place: Place) -> bool:
        """True if `place` can be; the gate then measures from it. The first one is always believed."""
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
