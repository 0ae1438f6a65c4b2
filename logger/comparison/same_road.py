"""Check that two cars drove the same road in the same direction: only then do their kilometres correspond.

The itineraries agree already; but an itinerary without positions fits any road of its length, and a reversed one has
the same kilometres.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from logger.judgement.evidence import Floats
from logger.judgement.plane import Plane

SAMPLES = 400
"""Places of a drive that are compared: one per kilometre of a long stage."""
ELSEWHERE_M, ELSEWHERE_SHARE = 1000.0, 0.03
"""Cars choose their own line across country, but half of the road is not further apart than this, or than this share
of its length."""
CLEARLY = 0.5
"""Share of the distance at equal kilometres below which mirrored kilometres fit better: on a road that leads out and
back, both fit."""


class Track(NamedTuple):
    """Positions of a drive; `km` increases."""

    km: Floats
    lat: Floats
    lon: Floats


def difference(first: Track, other: Track, length_km: float) -> str:
    """How the other drive of a section differs, so that its kilometres do not correspond: an end of a sentence before
    the name of the first. "" if they correspond or nothing is known."""
    if min(len(first.km), len(other.km)) < 2:
        return ""
    plane = Plane(first.lat, first.lon)
    ours, theirs = _Path(first, plane), _Path(other, plane)
    km = np.linspace(other.km[0], other.km[-1], SAMPLES)
    east_m, north_m = theirs.at(km)
    sampled = ours.at(np.linspace(first.km[0], first.km[-1], SAMPLES))
    nearest_m = np.hypot(east_m[:, None] - sampled[0], north_m[:, None] - sampled[1]).min(axis=1)
    typical_m = float(np.median(nearest_m))
    if typical_m > max(ELSEWHERE_M, ELSEWHERE_SHARE * 1000 * length_km):
        return f"elsewhere, {typical_m / 1000:.0f} km from"
    same_m, mirrored_m = (_apart_m(ours.at(at), (east_m, north_m)) for at in (km, length_km - km))
    return "in the other direction than" if mirrored_m < CLEARLY * same_m else ""


class _Path:
    """A drive on a plane."""

    def __init__(self, track: Track, plane: Plane) -> None:
        self._km, self._east, self._north = track.km, plane.east(track.lon), plane.north(track.lat)

    def at(self, km: Floats) -> tuple[Floats, Floats]:
        """East and north in metres; nan outside the drive."""
        east, north = (
            np.interp(km, self._km, column, left=np.nan, right=np.nan) for column in (self._east, self._north)
        )
        return np.asarray(east), np.asarray(north)


def _apart_m(ours: tuple[Floats, Floats], theirs: tuple[Floats, Floats]) -> float:
    """The typical distance of two drives where both are known; infinite if that is nowhere."""
    apart_m = np.hypot(ours[0] - theirs[0], ours[1] - theirs[1])
    apart_m = apart_m[np.isfinite(apart_m)]
    return float(np.median(apart_m)) if len(apart_m) else np.inf
