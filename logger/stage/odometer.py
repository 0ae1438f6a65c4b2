"""Odometer: distance by integration of GPS Doppler speed, and by a calibrated wheel while GPS is lost.

Doppler speed is good to a few cm/s in any weather, while positions wander by metres: summing the distances
between fixes adds up the wander, most of all at standstill. So positions serve only where there is no speed
(fix_speed.py), as the straight line across a gap, and to find which marks the car passed. Every stretch
becomes a `Leg`, whose `seen` says whether GPS covered it. The total never decreases. Times are drive time (timing.py).
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from firmware_bridge.gps.jump_filter import FASTEST_CAR_MPS
from logger.stage import geo
from logger.stage.fix_speed import STILL_MPS, FixSpeed, FixSpeeds
from logger.stage.geo import Position
from logger.stage.rejected_speeds import RejectedSpeeds
from logger.stage.track import BREAK_US, HARD_MPS2
from logger.stage.wheel import Wheel, WheelState

SPEED_NOISE_MPS = 2.0
"""Noise allowed between two good speeds, on top of `HARD_MPS2`."""
LOST_US = 1_500_000
"""GPS is lost, and the wheel takes over, after this time without a fix; until then a 1 Hz receiver is only late."""
BLINK_US = 3_000_000
"""Up to this interval between fixes, the speeds at both ends give the most accurate distance."""
EXPIRED_US = 5_000_000
"""A speed this old has expired."""
JUMP_M = 50.0
"""How far a position may lie beyond what speed allows: the wander of a receiver among rocks or trees."""
LONGEST_DEGREE_M = 111_700.0
"""Upper bound on a degree of latitude or longitude."""
WHEEL_DRIVES_MPS = 5.0
"""If a wheel turns this fast while the positions stand still, the speed from positions is not believed."""
HISTORY_STEP_US = 1_000_000
HISTORY_STEPS = 900
"""A quarter of an hour in steps of one second: how late a start may be entered and still get its exact kilometre."""
GPS, POSITIONS, WHEEL, OBD = "gps", "positions", "wheel", "obd"
"""Sources of a speed; POSITIONS if the receiver sends no speed."""


class Seen(NamedTuple):
    """The last accepted fix."""

    at_us: int
    mps: float
    position: Position | None
    position_us: int


class OdometerState(NamedTuple):
    """The state that the next session resumes from."""

    total_m: float
    moving_us: int
    estimated_m: float
    at_us: int | None
    last: Seen | None
    wheel: WheelState
    obd: WheelState


class Past(NamedTuple):
    """The odometer at an earlier moment."""

    at_us: int
    total_m: float
    moving_us: int


class Leg(NamedTuple):
    """One stretch of the drive. `a` and `b` are the positions of its ends, None if they are not trusted;
    `seen` is False if GPS was lost (the distance is an estimate)."""

    from_us: int
    to_us: int
    from_m: float
    to_m: float
    a: Position | None
    b: Position | None
    from_mps: float
    to_mps: float
    seen: bool

    def at_us(self, fraction: float) -> int:
        """Return when the car was at a fraction of the leg's distance, assuming constant acceleration."""
        v0, v1 = self.from_mps, self.to_mps
        if self.seen and v0 + v1 > 0 and v0 != v1:
            way = fraction * (v0 + v1) / 2
            root = max(0.0, v0 * v0 + 2 * (v1 - v0) * way) ** 0.5
            fraction = 2 * way / (v0 + root) if v0 + root > 0 else 0.0
        return self.from_us + round(fraction * (self.to_us - self.from_us))


class Odometer:
    """Metres driven (`total_m`) and time spent moving (`moving_us`) until `at_us`."""

    def __init__(self) -> None:
        self.total_m = 0.0
        self.moving_us = 0
        self.at_us: int | None = None
        self.rejected = RejectedSpeeds()
        """Their fixes and readings do not count."""
        self._last: Seen | None = None
        self._base_m = 0.0  # the total at the last fix; distance added by the wheel since then is provisional
        self._bridged_m = self._placed_m = 0.0  # `_placed_m` is the total at the last trusted position
        self._speeds = FixSpeeds()
        self._receiver_speed: tuple[int, float] | None = None  # time and value of the last one sent
        self._source = GPS
        self._fix_us: int | None = None
        self._believed_us = 0
        self._wheels = {WHEEL: Wheel(), OBD: Wheel()}
        self._past: deque[Past] = deque(maxlen=HISTORY_STEPS)

    @property
    def estimated_m(self) -> float:
        """Metres of the total that are an estimate, driven while GPS was lost."""
        return self._bridged_m + self.total_m - self._base_m

    @property
    def position(self) -> Position | None:
        """The last trusted position."""
        return self._last.position if self._last else None

    def fix(self, at_us: int, lat: float, lon: float, speed_mps: float | None) -> Leg | None:
        """Take a fix; return its leg, or None if it is the first, not newer than the last, or implausible."""
        last, here = self._last, (lat, lon)
        if last is not None and at_us <= last.at_us:
            return None
        if self._fix_us is None:
            self._believed_us = at_us
        self._fix_us = at_us
        if speed_mps is not None and not self._plausible(at_us, speed_mps):
            self.rejected.add(GPS)
            return None
        speed = self._speeds.take(at_us, here, speed_mps)
        self._note_source(at_us, speed, speed_mps)
        mps = min(FASTEST_CAR_MPS, speed.mps) if speed.mps >= STILL_MPS else 0.0
        if last is None:
            self._last = Seen(at_us, mps, here, at_us)
            self._bridged_m = self.estimated_m
            self._base_m = self._placed_m = self.total_m
            self._advance(at_us, self.total_m, mps > 0)
            self._mark_wheels()
            return None
        trusted = self._reachable(at_us, here, mps, last)
        dt_us = at_us - last.at_us
        seen = dt_us <= BLINK_US
        if seen:
            way_m = (last.mps + mps) / 2 * dt_us / 1e6 if speed.way_m is None else speed.way_m
            for wheel in self._wheels.values():
                if wheel.at_us is not None:
                    wheel.calibrate(way_m, dt_us)
        else:
            straight_m = geo.distance_m(*last.position, *here) if trusted and last.position else 0.0
            straight_m -= self._base_m - self._placed_m  # counted by speed since that position
            if speed.way_m is not None and dt_us <= BREAK_US:
                straight_m = speed.way_m
            way_m = self._bridge(dt_us, straight_m)
            self._bridged_m += way_m
            self._mark_wheels()
        from_m = self._base_m
        self._advance(
            at_us, max(from_m + way_m, self.total_m), way_m * 1e6 > (0 if seen else STILL_MPS * dt_us)
        )
        self._base_m = self.total_m
        self._last = Seen(at_us, mps, here, at_us) if trusted else last._replace(at_us=at_us, mps=mps)
        self._placed_m = self.total_m if trusted else self._placed_m
        a, b = (last.position, here) if trusted else (None, None)
        return Leg(last.at_us, at_us, from_m, self.total_m, a, b, last.mps, mps, seen)

    def wheel(self, at_us: int, speed_mps: float, source: str) -> Leg | None:
        """Take a raw wheel or OBD speed; return a leg only while GPS is lost."""
        if not 0 <= speed_mps <= FASTEST_CAR_MPS:
            self.rejected.add(source)
            return None
        wheel = self._wheels[source]
        if (
            not wheel.reading(at_us, speed_mps)
            or wheel is not self._live_wheel(at_us)
            or not self.lost(at_us)
        ):
            return None
        from_us, from_m = at_us if self.at_us is None else self.at_us, self.total_m
        if at_us < from_us:
            return None
        total_m = max(from_m, self._base_m + wheel.metres)
        self._advance(at_us, total_m, total_m > from_m)
        mps = speed_mps * wheel.scale
        return Leg(from_us, at_us, from_m, total_m, None, None, mps, mps, seen=False)

    def speed(self, now_us: int) -> tuple[float | None, str | None]:
        """Return the speed in m/s and its source ("gps", "positions", "wheel", "obd"); None if there is none."""
        gps_age_us = now_us - self._last.at_us if self._last else EXPIRED_US
        wheel = self._live_wheel(now_us)
        if self._last and (gps_age_us <= LOST_US or (wheel is None and gps_age_us < EXPIRED_US)):
            return self._last.mps, self._source
        if wheel is not None:
            name = WHEEL if wheel is self._wheels[WHEEL] else OBD
            return wheel.raw_mps * wheel.scale, name
        return None, None

    def lost(self, now_us: int) -> bool:
        """Return whether GPS is lost."""
        return self._last is None or now_us - self._last.at_us > LOST_US

    @property
    def speedless_us(self) -> int:
        """How long fixes have had no credible speed, sent by the receiver or computed from positions."""
        return 0 if self._fix_us is None else self._fix_us - self._believed_us

    def past(self, at_us: int) -> Past:
        """Return the odometer at a moment, limited to the oldest and the newest known reading."""
        later = Past(at_us if self.at_us is None else self.at_us, self.total_m, self.moving_us)
        if at_us >= later.at_us:
            return later
        for earlier in reversed(self._past):
            if earlier.at_us <= at_us:
                part = (at_us - earlier.at_us) / (later.at_us - earlier.at_us)
                metres = earlier.total_m + part * (later.total_m - earlier.total_m)
                return Past(
                    at_us, metres, round(earlier.moving_us + part * (later.moving_us - earlier.moving_us))
                )
            if earlier.at_us < later.at_us:
                later = earlier
        return later

    def state(self) -> OdometerState:
        """Return the state for `resume`."""
        wheel, obd = self._wheels[WHEEL].state(), self._wheels[OBD].state()
        return OdometerState(
            self.total_m, self.moving_us, self.estimated_m, self.at_us, self._last, wheel, obd
        )

    def resume(self, state: OdometerState) -> None:
        """Resume from the state of an earlier session; the next fix or wheel reading bridges the gap."""
        self.total_m = self._base_m = self._placed_m = state.total_m
        self.moving_us, self._bridged_m, self.at_us = state.moving_us, state.estimated_m, state.at_us
        self._last = state.last
        self._receiver_speed = None if state.last is None else (state.last.at_us, state.last.mps)
        self._wheels[WHEEL].resume(state.wheel)
        self._wheels[OBD].resume(state.obd)

    def _plausible(self, at_us: int, receiver_mps: float) -> bool:
        if not 0 <= receiver_mps <= FASTEST_CAR_MPS:
            return False
        if self._receiver_speed is None or at_us - self._receiver_speed[0] > BLINK_US:
            return True
        dt_us, mps = at_us - self._receiver_speed[0], self._receiver_speed[1]
        return abs(receiver_mps - mps) <= HARD_MPS2 * dt_us / 1e6 + SPEED_NOISE_MPS

    def _note_source(self, at_us: int, speed: FixSpeed, receiver_mps: float | None) -> None:
        """Record the source of the speed, and whether it is credible."""
        if receiver_mps is not None:
            self._receiver_speed = at_us, receiver_mps
        self._source = GPS if speed.way_m is None else POSITIONS
        wheel = self._live_wheel(at_us) if speed.way_m is not None and speed.mps == 0 else None
        if speed.believed and (wheel is None or wheel.raw_mps < WHEEL_DRIVES_MPS):
            self._believed_us = at_us

    def _reachable(self, at_us: int, here: Position, mps: float, last: Seen) -> bool:
        """Return whether the car can have reached this position since the last trusted one."""
        if last.position is None:
            return True
        dt_s = (at_us - last.position_us) / 1e6
        fastest = max(mps, last.mps) + HARD_MPS2 if dt_s <= BLINK_US / 1e6 else FASTEST_CAR_MPS
        bound_m = fastest * dt_s + JUMP_M
        (lat1, lon1), (lat2, lon2) = last.position, here
        if (abs(lat2 - lat1) + abs(lon2 - lon1)) * LONGEST_DEGREE_M <= bound_m:
            return True  # the usual case, without the exact distance
        return geo.distance_m(lat1, lon1, lat2, lon2) <= bound_m

    def _bridge(self, dt_us: int, straight_m: float) -> float:
        """Return the metres driven while GPS was lost: by a wheel read throughout, else at least the straight line."""
        best = max(self._wheels.values(), key=lambda wheel: wheel.covered_us)
        by_wheel_m = best.metres
        if best.covered_us >= 0.9 * dt_us:
            return by_wheel_m
        return max(by_wheel_m, straight_m)

    def _live_wheel(self, now_us: int) -> Wheel | None:
        """Return the best wheel with a recent reading."""
        for wheel in self._wheels.values():
            if wheel.at_us is not None and now_us - wheel.at_us <= LOST_US:
                return wheel
        return None

    def _mark_wheels(self) -> None:
        for wheel in self._wheels.values():
            wheel.mark()

    def _advance(self, at_us: int, total_m: float, moved: bool) -> None:
        if self.at_us is not None and at_us > self.at_us:
            if not self._past or self.at_us - self._past[-1].at_us >= HISTORY_STEP_US:
                self._past.append(Past(self.at_us, self.total_m, self.moving_us))
            if moved:
                self.moving_us += at_us - self.at_us
        self.at_us = at_us if self.at_us is None else max(at_us, self.at_us)
        self.total_m = total_m
