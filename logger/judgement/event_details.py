"""Validate event details against the shapes that the recorder writes (`stage.events`).

A log is untrusted input: an event whose detail lacks a number, or has text in its place, is not evidence. It is left
out and counted, and the rest of the review can rely on the types.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from logger.logfile.reader import detail_of

_MAX: Final = 1e9
"""Upper bound of lengths in metres, times in seconds, speeds and counts."""
_MAX_UTC_US: Final = 7_258_118_400_000_000
"""The year 2200."""

_Shape = Callable[[object], bool]


def _number(value: object, maximum: float = _MAX) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= maximum  # type: ignore[arg-type]


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX


def _length(value: object) -> bool:
    return _number(value) and value >= 0  # type: ignore[operator]


def _limit(value: object) -> bool:
    return _number(value) and value > 0  # type: ignore[operator]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _object(value: object) -> bool:
    return isinstance(value, dict)


def _or_null(shape: _Shape) -> _Shape:
    return lambda value: value is None or shape(value)


def _one_of(*choices: str) -> _Shape:
    return lambda value: isinstance(value, str) and value in choices


_SHAPES: Final[dict[str, dict[str, _Shape]]] = {
    "section": {
        "state": _one_of("started", "finished"),
        "index": _count,
        **dict.fromkeys(("elapsed_s", "distance_m", "average_mps"), _or_null(_number)),
        **dict.fromkeys(("kind", "name", "cause"), _or_null(_text)),
    },
    "waypoint": {
        "state": _one_of("open", "validated", "missed"),
        "section": _count,
        "kind": _text,
        "km": _number,
        "name": _or_null(_text),
        **dict.fromkeys(("nearest_m", "moved_m"), _or_null(_number)),
    },
    "overspeed": {
        "section": _count,
        "impulses": _count,
        "zone": _or_null(_text),
        "limit_kmh": _limit,
        **dict.fromkeys(("km", "max_kmh", "distance_m"), _number),
        "duration_s": _length,
    },
    "alarm": dict.fromkeys(("name", "level", "state"), _or_null(_text)),
    "link": dict.fromkeys(("port", "state"), _or_null(_text)),
    "undone": {"what": _or_null(_text)},
    "command": {"name": _or_null(_text), "arguments": _or_null(_object)},
    "session_begin": {"begins_us": _or_null(lambda value: _number(value, _MAX_UTC_US))},
    "resumed": {"gap_s": _or_null(_length)},
}
"""The keys that the review reads, by event kind. A missing key counts as null."""


def checked_detail(kind: object, text: object) -> dict[str, Any] | None:
    """Parse an event's detail; None if it is invalid."""
    detail = detail_of(text)
    if not isinstance(kind, str) or detail is None:
        return None
    if not _or_null(lambda value: _number(value, _MAX_UTC_US))(detail.get("utc_us")):
        return None
    shape = _SHAPES.get(kind, {})
    if kind == "section" and detail.get("state") == "finished":
        shape = shape | {"distance_m": _number}
    return detail if all(fits(detail.get(name)) for name, fits in shape.items()) else None
