"""Identify a log and check that it belongs to the car it names.

A wrong number in one car's configuration would merge two cars' drives. Four checks find it: the file name, the
configuration of each session, the user's list of cars, and a car that drives twice at the same time.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from logger.fleet.catalogue import NO_EVENT, Entry, require_valid
from logger.logfile.border import open_log_readonly
from logger.logfile.meta import car_of
from logger.logfile.naming import slug
from logger.logfile.reader import LogInfo, info
from logger.stage.itinerary import load
from logger.tomlconfig.limits import excess
from logger.transfer.state import state_of

MAX_CAR_NUMBER = 99_999
"""Maximum in the configuration."""
_NAMED_CAR = re.compile(r"-car-(\d+)-", re.ASCII)
_EPOCH = datetime.fromtimestamp(0, UTC)


def entry_of(path: Path, sha256: str) -> Entry:
    """Build the catalogue entry of a log. Raises LogError if it names no car or contradicts itself."""
    log_info = info(path)
    car = car_of(log_info.meta)
    number = car.get("number")
    if type(number) is not int:
        hint = "write number = ... under [car] of its configuration before recording"
        raise LogError("names no car", where=str(path), hint=hint)
    if not 0 <= number <= MAX_CAR_NUMBER:
        what = f"names car {printable(number, 20)}: a car number has up to five digits"
        raise LogError(what, where=str(path), hint="the log is not added")
    for place, other in _other_numbers(path):
        if other != number:
            raise LogError(
                f"is of car {number} by its meta, but of car {other} by {place}",
                where=str(path),
                hint="find out which is right; the log is not added",
            )
    itinerary_text = log_info.meta.get("itinerary")
    itinerary = load(itinerary_text, "the log's itinerary") if itinerary_text else None
    stage = itinerary.stage if itinerary else None
    state = state_of(path)
    times = sorted(_times(log_info))
    crew = car.get("crew")
    entry = Entry(
        log=sha256,
        name=path.name,
        identity=state.identity,
        rows=state.rows,
        size_bytes=log_info.size_bytes,
        software=log_info.meta.get("software", ""),
        event_name=stage.event if stage else "",
        stage_name=stage.name if stage else "",
        stage_date=str(stage.date or "") if stage else "",
        car_name=str(car.get("name") or ""),
        car_class=str(car.get("class") or ""),
        crew=" / ".join(map(str, crew)) if isinstance(crew, list) else "",
        from_utc=times[0] if times else None,
        to_utc=times[-1] if times else None,
        duration_s=round(log_info.duration_s, 3),
        event=slug(stage.event or stage.name) if stage else NO_EVENT,
        stage=(stage.number or 0) if stage else 0,
        car=number,
    )
    try:
        require_valid(entry)
    except LogError as error:
        raise LogError(error.what, where=str(path), hint="the log is not added") from error
    return entry


def require_expected_car(entry: Entry, path: Path, known: Iterable[Entry], cars: Collection[int]) -> None:
    """Raise LogError if a log is of an unexpected car, or cannot be of the car that it names.

    `known` are the store's logs, `cars` the accepted cars (empty for any).
    """
    if cars and entry.car not in cars:
        expected = ", ".join(map(str, sorted(cars)))
        hint = f"give --car {entry.car} as well if it belongs here"
        raise LogError(f"is of car {entry.car}; expected: {expected}", where=str(path), hint=hint)
    for other in known:
        if (other.event, other.stage, other.car) != (entry.event, entry.stage, entry.car):
            continue
        if other.identity != entry.identity and _overlap(entry, other):
            raise LogError(
                f"car {entry.car} cannot drive twice at the same time: the store has {other.name}, which overlaps",
                where=str(path),
                hint="one of the two is of another car, or of a second recorder in the same car",
            )


def same_recording(entry: Entry, known: Iterable[Entry]) -> list[Entry]:
    """Other copies of the same recording in the store, shorter or longer."""
    return [
        other
        for other in known
        if other.identity == entry.identity
        and (other.event, other.stage, other.car) == (entry.event, entry.stage, entry.car)
        and other.log != entry.log
    ]


def _other_numbers(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the other car numbers of a log with their source: file name and configuration of each session."""
    if name := _NAMED_CAR.search(path.name):
        yield "its file name", int(name[1])
    with open_log_readonly(path) as connection:
        for session, text in connection.execute("SELECT id, config FROM session ORDER BY id"):
            if not isinstance(text, str) or excess(text) is not None:
                continue
            with suppress(ValueError, TypeError, AttributeError):
                number = tomllib.loads(text).get("car", {}).get("number")
                if type(number) is int:
                    yield f"the configuration of session {session}", number


def _times(log_info: LogInfo) -> Iterator[datetime]:
    for session in log_info.sessions:
        if session.first_utc_us is not None:
            with suppress(OverflowError):  # a time beyond the calendar
                began = _EPOCH + timedelta(microseconds=session.first_utc_us)
                yield began
                yield began + timedelta(seconds=session.duration_s)


def _overlap(one: Entry, other: Entry) -> bool:
    if one.from_utc is None or one.to_utc is None or other.from_utc is None or other.to_utc is None:
        return False
    return one.from_utc < other.to_utc and other.from_utc < one.to_utc
