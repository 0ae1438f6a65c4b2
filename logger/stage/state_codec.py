"""Serialize the live computation's state as JSON for the next session, and validate it on reading.

`Saved` holds the states of all parts. `pack` converts it to JSON lists without names, which keeps a state that is
saved every second small. A saved state may be torn, old or forged, so `unpack` checks everything: types follow the
annotations of the class, numbers are within bounds, texts are valid Unicode; anything else raises ValueError.
"""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from logger.stage.alarms import Raised
from logger.stage.limits import Over
from logger.stage.odometer import OdometerState
from logger.stage.run import TRIPS, Trip
from logger.stage.steps import ProgressState
from logger.stage.timing import ClockState

T = TypeVar("T")

STATE_VERSION = 1
"""Version of the shape of `Saved`; a state of another version is refused."""

MAX_ITEMS = 1000
"""Longest list in a state; its lists hold splits and pauses, a few dozen at most."""
MAX_INTEGER = 1 << 62
"""Microseconds fit many times over, and sums of a few still fit SQLite's 64 bits."""
MAX_FLOAT = 1e9
"""Metres, seconds, degrees and speeds of a stage are far less; squares and products of these stay finite."""


class Saved(NamedTuple):
    """The state that continues after a power cut, in packing order."""

    version: int
    clock: ClockState
    odometer: OdometerState
    progress: ProgressState
    trips: tuple[Trip, ...]
    alarms: tuple[Raised, ...]
    over: Over | None


def saved_state(data: Any) -> Saved:
    """Return the state from JSON. Raises ValueError if it is not a valid state."""
    saved = unpack(Saved, data)
    if saved.version != STATE_VERSION or len(saved.trips) != TRIPS:
        raise ValueError("the state is of another version")
    return saved


def pack(value: Any) -> Any:
    """Convert tuples (named or not) to lists, recursively; leave other values unchanged."""
    return [pack(item) for item in value] if isinstance(value, tuple) else value


def unpack(cls: type[T], data: Any) -> T:
    """Rebuild a value of type `cls` from the output of `pack`. Raises ValueError if it does not match."""
    return cast(T, _value(cls, data))


def _value(hint: Any, data: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _union(get_args(hint), data)
    if origin is tuple:
        return _tuple(get_args(hint), data)
    if origin is Literal:
        if data in get_args(hint):
            return data
    elif hasattr(hint, "_fields"):
        return hint(*_tuple(_hints(hint), data))
    elif hint is float:
        if type(data) in (int, float) and abs(data) <= MAX_FLOAT:  # also rejects NaN
            return float(data)
    elif type(data) is hint and _is_sound(data):
        return data
    raise ValueError(f"{str(data)[:40]!r} is not of type {getattr(hint, '__name__', hint)}")


def _is_sound(data: object) -> bool:
    if isinstance(data, str):
        return data == data.encode(errors="ignore").decode()  # JSON may contain half of a surrogate pair
    return not isinstance(data, int) or abs(data) < MAX_INTEGER


def _union(options: tuple[Any, ...], data: Any) -> Any:
    if data is None and NoneType in options:
        return None
    return _value(next(option for option in options if option is not NoneType), data)


def _tuple(hints: tuple[Any, ...], data: Any) -> tuple[Any, ...]:
    if not isinstance(data, list) or len(data) > MAX_ITEMS:
        raise ValueError("expected a list")
    if len(hints) == 2 and hints[1] is Ellipsis:
        return tuple(_value(hints[0], item) for item in data)
    if len(data) != len(hints):
        raise ValueError(f"expected {len(hints)} values, found {len(data)}")
    return tuple(_value(hint, item) for hint, item in zip(hints, data, strict=True))


@cache
def _hints(cls: Any) -> tuple[Any, ...]:
    return tuple(get_type_hints(cls).values())
