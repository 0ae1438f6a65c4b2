"""Ground truth of a virtual drive: position, speed and course at any instant.

Everything virtual (receiver, engine, adapter) is computed from a Drive, and tests compare the recorder with it. A
Drive has no rally rules and no noise: only a path over the ground, and the distance along it over time, both as arrays.

Between two nodes of its plan the acceleration is constant. Distance is then a parabola of time and speed its exact
derivative, so that values integrated or differentiated from samples have a consistent reference. Time is `t_s`, seconds
since the drive began; `utc_s` is the UTC of that moment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firmware_bridge.virtual.flights import GRAVITY_MPS2, Flights
from firmware_bridge.wgs84 import metres_per_degree

Floats = NDArray[np.float64]

ACCELERATION_WINDOW_S = 0.5
"""Acceleration is the change of speed over this time: about the reaction time of a driver and an engine."""
RELIEF_REACH_M = 10.0
"""Slope and curvature of the ground are over this distance before and after: three wheelbases, a crest's width."""
JUMPED_CURVATURE = GRAVITY_MPS2 / 60.0**2
"""No car jumps at a flatter crest (per m): it would have to be faster than 60 m/s."""
LONGEST_JUMP_S, LANDING_STEP_S = 1.6, 0.05
"""Longest jump, and the steps in which its end is looked for."""
LEAST_JUMP_M = 0.05
"""A lower jump is the suspension's travel."""


class Moment(NamedTuple):
    """One instant of a drive. Degrees are WGS 84; `course_deg` is true, 0 to 360."""

    t_s: float
    distance_m: float
    lat: float
    lon: float
    alt_m: float
    speed_mps: float
    course_deg: float


class Moments(NamedTuple):
    """Many instants: the fields of Moment as arrays of equal length."""

    t_s: Floats
    distance_m: Floats
    lat: Floats
    lon: Floats
    alt_m: Floats
    speed_mps: Floats
    course_deg: Floats


@dataclass(frozen=True)
class Path:
    """A line over the ground: points with their cumulative length, which never decreases.

    `lon` may exceed 180 degrees, so that it does not jump; `position` returns values within ±180. `softness` of the
    ground is 0 (hard, the default) to 1 (dune sand). `ease` is the speed that it suggests, as a multiple of the usual.
    """

    lat: Floats
    lon: Floats
    alt_m: Floats
    distance_m: Floats
    softness: Floats = field(default_factory=lambda: np.zeros(1))
    ease: Floats = field(default_factory=lambda: np.ones(1))
    _leg_middle_m: Floats = field(init=False, repr=False)
    _leg_course_deg: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lon", np.unwrap(self.lon, period=360.0))
        for name in ("softness", "ease"):
            object.__setattr__(self, name, np.broadcast_to(getattr(self, name), self.distance_m.shape))
        north, east = metres_per_degree((self.lat[1:] + self.lat[:-1]) / 2)
        course = np.degrees(np.arctan2(np.diff(self.lon) * east, np.diff(self.lat) * north))
        object.__setattr__(self, "_leg_middle_m", (self.distance_m[1:] + self.distance_m[:-1]) / 2)
        object.__setattr__(self, "_leg_course_deg", np.unwrap(course, period=360.0))

    @property
    def length_m(self) -> float:
        return float(self.distance_m[-1] - self.distance_m[0])

    def position(self, distance_m: Floats) -> tuple[Floats, Floats, Floats]:
        """Return latitude, longitude and altitude at each distance."""
        lat = np.interp(distance_m, self.distance_m, self.lat)
        lon = np.interp(distance_m, self.distance_m, self.lon)
        return lat, (lon + 180.0) % 360.0 - 180.0, self.altitude_m(distance_m)

    def altitude_m(self, distance_m: Floats) -> Floats:
        """Return the height of the ground at each distance."""
        return np.interp(distance_m, self.distance_m, self.alt_m)

    def relief(self, distance_m: Floats) -> tuple[Floats, Floats]:
        """Return the slope (rise per metre) at each distance, and its change per metre: negative over a crest."""
        behind, here, ahead = (self.altitude_m(distance_m + side * RELIEF_REACH_M) for side in (-1, 0, 1))
        return (ahead - behind) / (2 * RELIEF_REACH_M), (ahead - 2 * here + behind) / RELIEF_REACH_M**2

    def softness_at(self, distance_m: Floats) -> Floats:
        """Return how soft the ground is at each distance."""
        return np.interp(distance_m, self.distance_m, self.softness)

    def heading_deg(self, distance_m: Floats) -> Floats:
        """Return the course at each distance, continuous rather than reduced to 0 to 360."""
        return np.interp(distance_m, self._leg_middle_m, self._leg_course_deg)


class Drive:
    """One car's drive along a path.

    `t_s`, `distance_m` and `speed_mps` are the nodes of the plan: times increase, distances never decrease,
    and between nodes speed is linear in time (`pace` makes such plans). `utc_s` is the POSIX time of t_s = 0.
    Before its first and after its last node the car stands.
    """

    def __init__(
        self, path: Path, t_s: ArrayLike, distance_m: ArrayLike, speed_mps: ArrayLike, utc_s: int = 0
    ) -> None:
        self.path = path
        self.utc_s = utc_s
        self._t_s = np.asarray(t_s, dtype=np.float64)
        self._distance_m = np.asarray(distance_m, dtype=np.float64)
        self._speed_mps = np.asarray(speed_mps, dtype=np.float64)
        self._acceleration = np.append(np.diff(self._speed_mps) / np.diff(self._t_s), 0.0)

    @property
    def end_s(self) -> float:
        """End of the drive; it begins at t_s = 0."""
        return float(self._t_s[-1])

    @property
    def length_m(self) -> float:
        return float(self._distance_m[-1] - self._distance_m[0])

    def at(self, t_s: float) -> Moment:
        """Return the truth at one instant."""
        moments = self.sample(np.array([t_s]))
        return Moment(*(float(column[0]) for column in moments))

    def sample(self, t_s: ArrayLike) -> Moments:
        """Return the truth at many instants, in any order."""
        t = np.asarray(t_s, dtype=np.float64)
        distance, speed = self.motion(t)
        lat, lon, ground = self.path.position(distance)
        alt = self.flights.altitude_m(t, ground)
        return Moments(t, distance, lat, lon, alt, speed, self.path.heading_deg(distance) % 360.0)

    def motion(self, t_s: ArrayLike) -> tuple[Floats, Floats]:
        """Return only distance (m) and speed (m/s), which is faster than `sample`."""
        t = np.clip(t_s, self._t_s[0], self._t_s[-1])
        node = np.clip(np.searchsorted(self._t_s, t, side="right") - 1, 0, len(self._t_s) - 1)
        since = t - self._t_s[node]
        speed = self._speed_mps[node] + self._acceleration[node] * since
        distance = self._distance_m[node] + (self._speed_mps[node] + speed) / 2 * since
        return distance, np.where(t == t_s, speed, 0.0)

    @cached_property
    def flights(self) -> Flights:
        """The jumps of the drive. Each begins at a point of the path."""
        path = self.path
        slope, curvature = path.relief(path.distance_m)
        within = (path.distance_m > self._distance_m[0]) & (path.distance_m < self._distance_m[-1])
        crest = np.flatnonzero((-curvature > JUMPED_CURVATURE) & within)
        t_s = self.times_at(path.distance_m[crest])
        _, speed = self.motion(t_s)
        leaves = np.flatnonzero(-curvature[crest] * speed**2 > GRAVITY_MPS2)
        leaves = leaves[np.diff(crest[leaves], prepend=-2) > 1]  # of neighbouring points the first
        begin, alt = t_s[leaves], path.alt_m[crest[leaves]]
        # The slope that the wheels leave is the one behind them, half a reach back.
        climb = (slope - curvature * RELIEF_REACH_M / 2)[crest[leaves]] * speed[leaves]
        since = np.arange(LANDING_STEP_S, LONGEST_JUMP_S, LANDING_STEP_S)
        flown = alt[:, None] + climb[:, None] * since - GRAVITY_MPS2 / 2 * since**2
        over = flown - path.altitude_m(self.motion(begin[:, None] + since)[0])
        landed = (over <= 0) & (np.arange(len(since)) > over.argmax(axis=1)[:, None])
        flies = landed.any(axis=1) & (over.max(axis=1) > LEAST_JUMP_M)
        flies[1:] &= begin[1:] > begin[:-1] + LONGEST_JUMP_S
        end = begin + since[landed.argmax(axis=1)]
        return Flights(*(column[flies] for column in (begin, end, alt, climb)))

    def acceleration_mps2(self, t_s: ArrayLike) -> Floats:
        """Return the acceleration along the path, over ACCELERATION_WINDOW_S around each instant."""
        t = np.asarray(t_s, dtype=np.float64)
        before, after = (self.motion(t + side * ACCELERATION_WINDOW_S / 2)[1] for side in (-1, 1))
        return (after - before) / ACCELERATION_WINDOW_S

    def leaves_at(self, distance_m: float) -> float:
        """Return the last instant (s) at which the car is not beyond this distance."""
        after = int(np.searchsorted(self._distance_m, distance_m, side="right")) - 1
        return float(self._t_s[after]) if self._distance_m[after] == distance_m else self.time_at(distance_m)

    def time_at(self, distance_m: float) -> float:
        """Return the first instant (s) at which the car reaches this distance. Raises ValueError if it never does."""
        if not self._distance_m[0] <= distance_m <= self._distance_m[-1]:
            raise ValueError(f"the drive never comes to {distance_m} m")
        return float(self.times_at(np.array([distance_m]))[0])

    def times_at(self, distance_m: Floats) -> Floats:
        """Return the same for many distances, which must be within the drive."""
        after = np.searchsorted(self._distance_m, distance_m, side="left")
        node = np.maximum(after - 1, 0)
        gap, v, a = distance_m - self._distance_m[node], self._speed_mps[node], self._acceleration[node]
        since = 2 * gap / np.maximum(v + np.sqrt(np.maximum(0.0, v * v + 2 * a * gap)), 1e-9)
        is_node = self._distance_m[after] == distance_m
        return np.where(is_node, self._t_s[after], self._t_s[node] + since)

    def between(self, t0_s: float, t1_s: float) -> Drive:
        """Return the part of the drive from `t0_s`, a whole second, to `t1_s`; its t_s begins at 0."""
        if t0_s != int(t0_s) or not 0 <= t0_s < t1_s:
            raise ValueError(f"no drive from {t0_s} to {t1_s} s")
        inner = self._t_s[(self._t_s > t0_s) & (self._t_s < t1_s)]
        t = np.concatenate(([t0_s], inner, [t1_s]))
        distance, speed = self.motion(t)
        return Drive(self.path, t - t0_s, distance, speed, self.utc_s + int(t0_s))
