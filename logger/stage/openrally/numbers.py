"""Parse the numbers of a route file, with decimal commas, units and clock times.

Accepts plain numbers, a decimal comma ("10,25"), a unit of their own ("50 km/h", "10 min"), minutes and seconds
("15:00"), and distances in metres in a file that says kilometres.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from logger.stage import geo

MILE_KM: Final = 1.609344
YARD_M: Final = 0.9144

OWN_UNITS: Mapping[str, Mapping[str, float]] = {
    "distance": {"km": 1.0, "m": 0.001, "mi": MILE_KM, "mile": MILE_KM, "miles": MILE_KM},
    "speed": {
        **dict.fromkeys(["km/h", "kmh", "kph", "kmph", "k/h"], 1.0),
        **dict.fromkeys(["mph", "mi/h"], MILE_KM),
    },
    "radius": {**dict.fromkeys(["m", "mt", "mts", "metres", "meters"], 1.0), "km": 1000.0, "yd": YARD_M},
    "second": {"s": 1.0, "sec": 1.0, "min": 60.0, "mn": 60.0, "h": 3600.0},
    "minute": {"min": 1.0, "mn": 1.0, "s": 1 / 60, "sec": 1 / 60, "h": 60.0},
}
"""Units that may follow a number, by measure, with their size in km, km/h, metres, seconds and minutes."""

_TOO_FAR_AS_KM: Final = 300.0
"""Ratio of written to straight distance that proves metres: roads wind by at most 5, metres give 1,000."""
LONGEST_ROUTE_KM: Final = 5000.0
"""No day's route is longer."""
SHORTEST_ROUTE_M: Final = 1000.0
"""A route in metres has a larger number than this."""
SHORTEST_PROOF_KM: Final = 0.2
"""Over a shorter straight distance the errors of positions matter."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_WITH_UNIT = re.compile(r"([+-]?[\d.,]+)\s*([A-Za-z/]{1,6})\.?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,2}):)?(\d{1,3}):(\d{2})", re.ASCII)


class Number(NamedTuple):
    """A number in km, km/h, metres, seconds, minutes or degrees, and whether it had a decimal comma."""

    value: float
    has_comma: bool


def read(text: str, measure: str, size: float) -> Number | None:
    """Parse the number in `text` for a measure; `size` is that of the file's unit. None if it is not a number."""
    text = text.strip()
    if measure in ("second", "minute") and (clock := _CLOCK.fullmatch(text)):
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        value_s = 3600 * hours + 60 * minutes + seconds
        return Number(value_s / 60 if measure == "minute" else float(value_s), has_comma=False)
    units = OWN_UNITS.get(measure, {})
    if (match := _WITH_UNIT.fullmatch(text)) and (own := units.get(match[2].lower())):
        text, size = match[1], own
    has_comma = _COMMA.fullmatch(text) is not None
    if has_comma:
        text = text.replace(",", ".")
    return Number(float(text) * size, has_comma) if _NUMBER.fullmatch(text) else None


def are_metres(points: Sequence[tuple[float | None, tuple[float, float] | None]]) -> bool:
    """Return whether distances of points (as written, position) in a file that says kilometres must be metres.

    They must be if they exceed a day's longest route. Shorter ones are metres if all are whole numbers and neighbours
    with both a distance and a position are hundreds of times closer together than written.
    """
    known = [(km, position) for km, position in points if km is not None]
    longest = max((km for km, _ in known), default=0.0)
    if longest < SHORTEST_ROUTE_M or longest > LONGEST_ROUTE_KM:
        return longest > LONGEST_ROUTE_KM
    written = straight_km = 0.0
    for (before_km, before), (km, here) in pairwise(known):
        if before is not None and here is not None and km > before_km:
            written += km - before_km
            straight_km += geo.distance_m(*before, *here) / 1000
    is_whole = all(km.is_integer() for km, _ in known)
    return is_whole and straight_km > SHORTEST_PROOF_KM and written > _TOO_FAR_AS_KM * straight_km
