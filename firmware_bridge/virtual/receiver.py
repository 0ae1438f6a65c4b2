"""Simulated GPS receiver: the NMEA sentences of a drive, with realistic errors.

Errors are those of a real receiver: the position wanders by a metre or two over minutes and jitters by decimetres;
Doppler speed is far better; the course is meaningless at standstill and left empty; sentences arrive some time after
their instant; a cold start has no time at first, then no position. Everything follows from the seed and the epoch's
number, so any interval of the drive always gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from firmware_bridge.virtual import binary
from firmware_bridge.virtual.drive import Drive, Floats, Moments
from firmware_bridge.virtual.rows import Bytes, Ints, Rows
from firmware_bridge.virtual.sky import Sky
from firmware_bridge.wgs84 import metres_per_degree

BLOCK = 1024
"""Epochs per computation: enough to amortize a numpy call, few enough for a quick live start."""
WANDER_S = 120.0
"""Correlation time of the slow part of the position error (ionosphere, multipath)."""
WANDER_STEP_S = 5.0
LATENCY_S = 0.050
"""From the instant of an epoch to its first byte on the wire: the time of the navigation computation."""
LATENCY_JITTER_S = 0.005
COURSE_FLOOR_MPS = 0.15
"""Below this speed receivers leave the course empty."""
KNOTS_PER_MPS = 3600 / 1852
RANDOM_OUTAGE_S = (2.0, 12.0)

NO_TIME, NO_FIX, FIX = 0, 1, 2


class Epoch(NamedTuple):
    """All sentences of one epoch and when their first byte arrives."""

    t_s: float
    data: bytes


class GpsReceiver:
    """A receiver with `hz` epochs per second (1 to 25): RMC and GGA, VTG on request, GSA and GSV once per second.

    `dropouts` are intervals (from, to) in the drive's seconds without a position; `dropouts_per_hour` adds
    random ones. `cold_start_s`: how long after t_s = 0 there is no position. Noise is in metres and m/s.
    With `ubx` each epoch ends with a NAV-PVT; without `nmea` it has only that.
    """

    def __init__(
        self,
        drive: Drive,
        hz: int = 5,
        *,
        talker: str = "GN",
        wander_m: float = 1.2,
        jitter_m: float = 0.3,
        speed_noise_mps: float = 0.05,
        seed: int = 0,
        dropouts: Sequence[tuple[float, float]] = (),
        dropouts_per_hour: float = 0.0,
        cold_start_s: float = 0.0,
        vtg: bool = False,
        sky_view: bool = True,
        nmea: bool = True,
        ubx: bool = False,
    ) -> None:
        if not 1 <= hz <= 25:
            raise ValueError(f"a receiver has 1 to 25 epochs per second, not {hz}")
        self._drive, self._hz, self._talker, self._vtg = drive, hz, talker, vtg
        self._jitter_m, self._speed_noise_mps = jitter_m, speed_noise_mps
        self._seed, self._cold_start_s = seed, cold_start_s
        self._sky = Sky(talker) if sky_view and nmea else None
        self._nmea, self._ubx = nmea, ubx
        rng = np.random.default_rng(seed)
        self._wander_t_s = np.arange(-WANDER_STEP_S, drive.end_s + 2 * WANDER_STEP_S, WANDER_STEP_S)
        self._wander_m = [wander_m * _wander(rng, len(self._wander_t_s)) for _ in range(3)]
        self._crowding = _wander(rng, len(self._wander_t_s))
        random_ones = rng.poisson(dropouts_per_hour * drive.end_s / 3600)
        begins = rng.uniform(0, drive.end_s, random_ones)
        lengths = rng.uniform(*RANDOM_OUTAGE_S, random_ones)
        self._dropouts = [*dropouts, *zip(begins.tolist(), (begins + lengths).tolist(), strict=True)]
        self._block: tuple[int, list[Epoch]] = (-1, [])

    def bytes_between(self, t0_s: float, t1_s: float) -> Iterator[Epoch]:
        """Yield the epochs that arrive at t0_s <= t < t1_s, in order; after the drive the car stands."""
        first = max(0, int((t0_s - LATENCY_S - LATENCY_JITTER_S) * self._hz) - 1) // BLOCK
        last = int(max(0.0, t1_s) * self._hz) // BLOCK
        for block in range(first, last + 1):
            epochs = self._epochs(block)
            if epochs[0].t_s >= t0_s and epochs[-1].t_s < t1_s:
                yield from epochs
            else:
                yield from (epoch for epoch in epochs if t0_s <= epoch.t_s < t1_s)

    def _epochs(self, block: int) -> list[Epoch]:
        if self._block[0] != block:
            self._block = block, self._made(block)
        return self._block[1]

    def _made(self, block: int) -> list[Epoch]:
        rng = np.random.default_rng((self._seed, block))
        number = np.arange(block * BLOCK, (block + 1) * BLOCK)
        t_ms = number * 1000 // self._hz
        t_s = t_ms / 1000
        observed = self._observed(self._drive.sample(t_s), rng)
        state, used = self._state(t_s), self._satellites(t_s)
        data = [b""] * BLOCK
        for kind in np.unique(state).tolist():
            chosen = np.flatnonzero(state == kind)
            part = Moments(*(column[chosen] for column in observed))
            utc_ms = self._drive.utc_s * 1000 + t_ms[chosen]
            lines = self._sentences(kind, utc_ms, part, used[chosen]) if self._nmea else [b""] * len(chosen)
            if self._ubx:
                solutions = binary.solutions(
                    utc_ms, part, used[chosen], has_time=kind != NO_TIME, has_fix=kind == FIX
                )
                lines = [line + message for line, message in zip(lines, solutions, strict=True)]
            for i, line in zip(chosen.tolist(), lines, strict=True):
                data[i] = line
        if self._sky is not None:
            for i in np.flatnonzero(t_ms % 1000 == 0).tolist():
                data[i] += self._sky.sentences(int(t_s[i]), int(used[i]) if state[i] == FIX else 0)
        arrival = t_s + LATENCY_S + rng.uniform(0, LATENCY_JITTER_S, BLOCK)
        return [Epoch(t, line) for t, line in zip(arrival.tolist(), data, strict=True)]

    def _observed(self, truth: Moments, rng: np.random.Generator) -> Moments:
        noise = rng.standard_normal((5, len(truth.t_s)))
        north, east = metres_per_degree(truth.lat)
        slow = [np.interp(truth.t_s, self._wander_t_s, wander) for wander in self._wander_m]
        course = np.radians(truth.course_deg)
        v_north = truth.speed_mps * np.cos(course) + self._speed_noise_mps * noise[3]
        v_east = truth.speed_mps * np.sin(course) + self._speed_noise_mps * noise[4]
        return truth._replace(
            lat=truth.lat + (slow[0] + self._jitter_m * noise[0]) / north,
            lon=truth.lon + (slow[1] + self._jitter_m * noise[1]) / east,
            alt_m=truth.alt_m + 2 * (slow[2] + self._jitter_m * noise[2]),
            speed_mps=np.hypot(v_north, v_east),
            course_deg=np.degrees(np.arctan2(v_east, v_north)) % 360.0,
        )

    def _state(self, t_s: Floats) -> Ints:
        state = np.full(len(t_s), FIX)
        for begin_s, end_s in self._dropouts:
            state[(t_s >= begin_s) & (t_s < end_s)] = NO_FIX
        state[t_s < self._cold_start_s] = NO_FIX
        state[t_s < 0.4 * self._cold_start_s] = (
            NO_TIME  # time comes with the first satellite, before a position
        )
        return state

    def _satellites(self, t_s: Floats) -> Ints:
        crowding = np.interp(t_s, self._wander_t_s, self._crowding)
        return np.clip(np.round(11 + 1.5 * crowding), 7, 15).astype(np.int64)

    def _sentences(self, state: int, utc_ms: Ints, seen: Moments, used: Ints) -> list[bytes]:
        rows = Rows(len(utc_ms))
        if state == NO_TIME:
            rows.sentence(f"{self._talker}RMC,,V,,,,,,,,,,N").end()
            return rows.sentence(f"{self._talker}GGA,,,,,,0,00,99.99,,,,,,").end().lines()
        time, date = _time(utc_ms), _date(utc_ms)
        if state == NO_FIX:
            rows.sentence(f"{self._talker}RMC,").cells(time).text(",V,,,,,,,").cells(date).text(",,,N").end()
            rows.sentence(f"{self._talker}GGA,").cells(time).text(",,,,,0,00,99.99,,,,,,").end()
            return rows.lines()
        position = _position(seen)
        knots = np.round(seen.speed_mps * KNOTS_PER_MPS * 1000).astype(np.int64)
        course = np.round(seen.course_deg * 100).astype(np.int64) % 36_000
        moving = seen.speed_mps >= COURSE_FLOOR_MPS
        rows.sentence(f"{self._talker}RMC,").cells(time).text(",A,").cells(position).text(",")
        rows.decimal(knots, 3, 3).text(",").decimal(course, 3, 2, shown=moving)
        rows.text(",").cells(date).text(",,,A").end()
        if self._vtg:
            kmh = np.round(seen.speed_mps * 3600).astype(np.int64)
            rows.sentence(f"{self._talker}VTG,").decimal(course, 3, 2, shown=moving).text(",T,,M,")
            rows.decimal(knots, 3, 3).text(",N,").decimal(kmh, 3, 3).text(",K,A").end()
        rows.sentence(f"{self._talker}GGA,").cells(time).text(",").cells(position).text(",1,")
        rows.number(used, 2).text(",").decimal(hdop_hundredths(used), 2, 2).text(",")
        height = np.round((seen.alt_m - binary.GEOID_M) * 10).astype(np.int64)
        rows.choice(height < 0, "-", "").decimal(np.abs(height), 5, 1).text(
            f",M,{binary.GEOID_M:.1f},M,,"
        ).end()
        return rows.lines()


def hdop_hundredths(used: Ints) -> Ints:
    """Return a plausible horizontal dilution, in hundredths, for this number of satellites."""
    return 40 + 500 // used


def _wander(rng: np.random.Generator, count: int) -> Floats:
    """Return unit noise with correlation time WANDER_S."""
    reach = int(5 * WANDER_S / WANDER_STEP_S)
    kernel = np.exp(-np.arange(reach) * WANDER_STEP_S / WANDER_S)
    kernel /= np.sqrt(np.sum(kernel**2))
    return np.convolve(rng.standard_normal(count + reach - 1), kernel, mode="valid")


def _time(utc_ms: Ints) -> Bytes:
    """hhmmss.ss, with a third decimal for rates that need it."""
    of_day = utc_ms % 86_400_000
    rows = Rows(len(utc_ms)).number(of_day // 3_600_000, 2)
    rows.number(of_day // 60_000 % 60, 2).number(of_day // 1000 % 60, 2).text(".")
    thousandths = of_day % 1000
    if np.any(thousandths % 10):
        return rows.number(thousandths, 3).matrix()
    return rows.number(thousandths // 10, 2).matrix()


def _date(utc_ms: Ints) -> Bytes:
    """ddmmyy."""
    days = (utc_ms // 86_400_000).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    day, month = (days - months).astype(np.int64) + 1, months.astype(np.int64)
    rows = Rows(len(utc_ms)).number(day, 2).number(month % 12 + 1, 2)
    return rows.number((1970 + month // 12) % 100, 2).matrix()


def _position(seen: Moments) -> Bytes:
    """ddmm.mmmmm,N,dddmm.mmmmm,E: hundred-thousandths of a minute are 2 cm."""
    rows = Rows(len(seen.lat))
    for degrees, width, positive, negative in ((seen.lat, 2, "N", "S"), (seen.lon, 3, "E", "W")):
        units = np.round(np.abs(degrees) * 6_000_000).astype(np.int64)
        rows.number(units // 6_000_000, width).decimal(units % 6_000_000, 2, 5, least=2)
        rows.text(",").choice(degrees >= 0, positive, negative).text("," if width == 2 else "")
    return rows.matrix()
