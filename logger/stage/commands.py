"""Validation of the crew's commands: JSON names and arguments to typed values.

    start_section   {index?}            the section waited for, the next, or the one with this index (from 0)
    finish_section  {}
    undo            {}
    schedule_start  {utc}               "08:15", "08:15:30", a full ISO 8601 time, or null to remove it
    adjust_distance {metres, trip?}     shifts the section's distance, or that of trip 1 or 2
    set_distance    {km, trip?}
    reset_trip      {trip}
    mark            {note?}             a moment to find again in the log
    acknowledge     {name?}             one alarm, or all

An invalid command raises ValueError with one line that the crew can read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from firmware_bridge.printable import printable
from logger.stage.run import TRIPS
from logger.tomlconfig.messages import nearest

MAX_M = 5_000_000.0
"""The longest section that an itinerary allows is 5,000 km."""
MAX_NOTE_CHARS = 200
MAX_SHOWN = 40
"""Characters of a wrong word that the error message repeats."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_ARGUMENTS: dict[str, tuple[frozenset[str], frozenset[str]]] = {  # required, optional
    "start_section": (frozenset(), frozenset({"index"})),
    "finish_section": (frozenset(), frozenset()),
    "undo": (frozenset(), frozenset()),
    "schedule_start": (frozenset({"utc"}), frozenset()),
    "adjust_distance": (frozenset({"metres"}), frozenset({"trip"})),
    "set_distance": (frozenset({"km"}), frozenset({"trip"})),
    "reset_trip": (frozenset({"trip"}), frozenset()),
    "mark": (frozenset(), frozenset({"note"})),
    "acknowledge": (frozenset(), frozenset({"name"})),
}
COMMANDS = tuple(_ARGUMENTS)


class Order(NamedTuple):
    """A validated command: `number` is a section, a trip (0 or 1) or None; `metres` and `text` depend on `name`."""

    name: str
    number: int | None = None
    metres: float = 0.0
    text: str | None = None


def order(name: str, arguments: Mapping[str, Any]) -> Order:
    """Return the validated command. Raises ValueError."""
    if name not in _ARGUMENTS:
        raise ValueError(
            f'"{printable(name, MAX_SHOWN)}" is not a command; {nearest(name[:MAX_SHOWN], COMMANDS)}'
        )
    needed, optional = _ARGUMENTS[name]
    for unknown in sorted(arguments.keys() - needed - optional):
        raise ValueError(f'{name}: "{printable(unknown, MAX_SHOWN)}" is not one of its arguments')
    for missing in sorted(needed - arguments.keys()):
        raise ValueError(f'{name}: "{missing}" is missing')
    trip = arguments.get("trip")
    number = None if trip is None else _whole(name, "trip", trip, 1, TRIPS) - 1
    match name:
        case "start_section":
            index = arguments.get("index")
            return Order(name, None if index is None else _whole(name, "index", index, 0, 1000))
        case "adjust_distance":
            return Order(name, number, _number(name, "metres", arguments["metres"], -MAX_M))
        case "set_distance":
            return Order(name, number, 1000 * _number(name, "km", arguments["km"], 0, MAX_M / 1000))
        case "reset_trip" if number is None:
            raise ValueError(f"{name}: trip must be a whole number from 1 to {TRIPS}")
        case "schedule_start" | "mark" | "acknowledge":
            key = {"schedule_start": "utc", "mark": "note", "acknowledge": "name"}[name]
            return Order(name, text=_text(name, key, arguments.get(key)))
    return Order(name, number)


def start_utc_us(text: str | None, now_utc_us: int | None) -> int | None:
    """Parse a start time in UTC; None removes it, and a time of day means the one nearest to now.

    Raises ValueError, also when the current UTC is not known yet.
    """
    if text is None:
        return None
    if now_utc_us is None:
        raise ValueError("schedule_start: the time is not known yet: wait for a GPS fix")
    try:
        now = _EPOCH + timedelta(microseconds=now_utc_us)
        due = _due(text, now)
        is_far = abs(due - now) > timedelta(days=2)
    except (ValueError, OverflowError):  # OverflowError: the day or zone is outside the calendar
        what = f'"{printable(text, MAX_SHOWN)}" is not a time'
        raise ValueError(f"{what}: write 08:15, 08:15:30 or 2026-01-15T08:15:00Z") from None
    if is_far:
        raise ValueError(f'"{printable(text, MAX_SHOWN)}" is more than two days from now')
    return (due - _EPOCH) // timedelta(microseconds=1)


def _due(text: str, now: datetime) -> datetime:
    if not re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        due = datetime.fromisoformat(text)
        return due.astimezone(UTC) if due.tzinfo else due.replace(tzinfo=UTC)
    hour, minute, second = (*map(int, text.split(":")), 0)[:3]
    day = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return min((day + timedelta(days=days) for days in (-1, 0, 1)), key=lambda due: abs(due - now))


def _whole(name: str, key: str, value: Any, minimum: int, maximum: int) -> int:
    if type(value) is not int or not minimum <= value <= maximum:
        raise ValueError(f"{name}: {key} must be a whole number from {minimum} to {maximum}")
    return value


def _number(name: str, key: str, value: Any, minimum: float, maximum: float = MAX_M) -> float:
    if (
        type(value) not in (int, float) or not minimum <= value <= maximum
    ):  # also rejects NaN and integers beyond a float
        raise ValueError(f"{name}: {key} must be a number from {minimum:.0f} to {maximum:.0f}")
    return float(value)


def _text(name: str, key: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > MAX_NOTE_CHARS):
        raise ValueError(f"{name}: {key} must be text of at most {MAX_NOTE_CHARS} characters")
    return value
