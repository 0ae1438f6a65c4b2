"""Build the channels of the HTML page: position and stage, and the engine, over time and distance.

A channel has a key, which links and lanes name, and a title and a unit for people. Keys begin with `drive.` or
`engine.`, so that a car's own signal "speed" is another channel than the receiver's speed. Values that change seldom
are given where they change (`step`). A channel without times of its own has those of the page's clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.engine.titles import DRIVE, engine_title, unit_title
from logger.judgement.engine import ChannelReport
from logger.judgement.evidence import Floats
from logger.review.packing import column, packed
from logger.review.plotted_fixes import PlottedFixes

MAX_CHANNELS = 500
"""Engine channels on a page. The signals of a whole car are some hundreds; the others are counted, not drawn."""
OUTLIERS = 20.0
"""A range of values may be so many times that of 99 % of them: these then keep 3,000 steps or more."""
FIRST_ENGINE = ("rpm", "throttle_pct", "coolant_c", "battery_v")
"""Engine channels for the first lanes, most wanted first."""
FIRST_LANES = 2
"""Engine lanes of a page that nobody has changed yet."""


class Timeline:
    """Seconds since the page's begin: the first fix that is drawn, or without any the first engine value."""

    def __init__(
        self, drawn: PlottedFixes, engine: Sequence[ChannelReport], offsets_us: Mapping[int, float]
    ) -> None:
        self._offsets_us = offsets_us
        self._engine_us = [self._at_us(channel) for channel in engine[:MAX_CHANNELS]]
        begins = [drawn.at_us[0]] if len(drawn.at_us) else [at_us.min() for at_us in self._engine_us]
        self.begin_us: float | None = float(min(begins)) if begins else None
        """UTC if it is known; None for a page without data."""

    def _at_us(self, channel: ChannelReport) -> Floats:
        course = channel.course
        sessions, inverse = np.unique(course.session, return_inverse=True)
        offsets = np.array([self._offsets_us.get(int(session), 0.0) for session in sessions])
        return np.asarray(course.t_us + offsets[inverse])

    def seconds(self, at_us: Floats) -> Floats:
        """Seconds since the begin."""
        return (at_us - (self.begin_us or 0.0)) / 1e6

    def engine_s(self, number: int) -> Floats:
        """Seconds of each stretch of an engine channel, by its number in the report."""
        return self.seconds(self._engine_us[number])

    def clock(self, drawn: PlottedFixes, *, utc_known: bool) -> dict[str, Any] | None:
        """Distance over time; UTC of the begin in ms, None if it is unknown."""
        if self.begin_us is None:
            return None
        at_s, km = self.seconds(drawn.at_us), drawn.km
        if not len(km):  # an engine without GPS: time passes at one place
            at_s, km = (
                np.array([0.0, max(self.seconds(at_us).max() for at_us in self._engine_us)]),
                np.zeros(2),
            )
        return {"begin_ms": self.begin_us / 1000 if utc_known else None, "km": packed(km), "s": packed(at_s)}


def drive_channels(drawn: PlottedFixes, timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Speed, limit, altitude and the quality of the fixes, as far as the recording has them."""
    if not len(drawn.km):
        return
    at_s = timeline.seconds(drawn.at_us)
    speed = {"colour": "speed", "from_zero": True, "bands": True}
    yield _drive("speed_kmh", "km/h") | speed | {"above": "drive.limit_kmh", "y": packed(drawn.kmh)}
    limit = {"colour": "limit", "from_zero": True, "bands": True}
    yield _drive("limit_kmh", "km/h") | limit | _changes(at_s, drawn.limit_kmh)
    if np.isfinite(drawn.alt_m).any():
        yield _drive("alt_m", "m") | {"y": packed(drawn.alt_m)}
    for key, values in (("satellites", drawn.satellites), ("hdop", drawn.hdop), ("quality", drawn.quality)):
        if np.isfinite(values).any():
            yield _drive(key, "") | _changes(at_s, values)


def _drive(key: str, unit: str) -> dict[str, Any]:
    return {"key": f"drive.{key}", "title": DRIVE[key].title, "unit": unit, "source": "GPS and stage"}


def _changes(at_s: Floats, values: Floats) -> dict[str, Any]:
    """Values that hold until the next: the first, each that differs from the one before, and the last."""
    differs = ~((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1])))
    kept = np.flatnonzero(np.concatenate([[True], differs]))
    if kept[-1] != len(values) - 1:
        kept = np.append(kept, len(values) - 1)
    return {"step": True, "s": packed(at_s[kept]), "y": packed(values[kept])}


def engine_channels(engine: Sequence[ChannelReport], timeline: Timeline) -> Iterator[dict[str, Any]]:
    """The engine channels by stretches: minimum, mean, maximum; one value where each stretch is a single reading."""
    taken: set[str] = set()
    for number, channel in enumerate(engine[:MAX_CHANNELS]):
        at_s = timeline.engine_s(number)
        order: NDArray[np.int64] | slice = slice(None)
        if (np.diff(at_s) < 0).any():  # the clocks of two sessions overlap
            order = np.argsort(at_s, kind="stable")
        course = channel.course
        columns = {"s": packed(at_s[order]), "y": _column(course.mean[order])}
        if not np.array_equal(course.low, course.high):
            columns |= {"low": _column(course.low[order]), "high": _column(course.high[order])}
        key = f"engine.{channel.name}"
        if key in taken:  # another source has a channel of this name
            key = f"engine.{channel.name} {channel.source} {number}"
        taken.add(key)
        names = {"key": key, "title": engine_title(channel.name), "unit": unit_title(channel.unit)}
        yield names | {"name": channel.name, "source": channel.source} | columns


def _column(values: Floats) -> Any:
    """A packed column, as floats if a few values are so far off that the others would share few steps."""
    with np.errstate(over="ignore"):  # a signal may hold any double; beyond a float's range it is unknown
        numbers = values.astype(np.float32).astype(np.float64)
    known = numbers[np.isfinite(numbers)]
    if len(known):
        least, low, high, most = np.percentile(known, [0, 0.5, 99.5, 100])
        if most - least > OUTLIERS * (high - low) > 0:
            return packed(numbers)
    return column(numbers)


def first_lanes(channels: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lanes of a page that nobody has changed: speed with its limit, then the engine."""
    keys = [str(channel["key"]) for channel in channels]
    lanes: list[dict[str, Any]] = []
    if "drive.speed_kmh" in keys:
        lanes.append({"share": 2, "channels": ["drive.limit_kmh", "drive.speed_kmh"]})
    wanted = [f"engine.{name}" for name in FIRST_ENGINE]
    engine = [key for key in wanted if key in keys] + [
        key for key in keys if key.startswith("engine.") and key not in wanted
    ]
    return lanes + [{"share": 1, "channels": [key]} for key in engine[:FIRST_LANES]]
