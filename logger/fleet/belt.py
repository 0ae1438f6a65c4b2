"""Hours on the drive belt: the engine's running time since the belt was changed, over the stages of a season.

A change is named on the command line (`--belt CAR:STAGE`, before that stage), or the crew marked it in the log. Until
the first one, hours count from the first log of the event. A car number belongs to one event: another event's car of
that number may be another car.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from firmware_bridge.errors import ConfigurationError
from logger.fleet.review import Verdict

_CHANGE: Final = re.compile(r"(\d{1,10}):(\d{1,5})", re.ASCII)


class BeltChange(NamedTuple):
    """The belt of a car was changed before a stage."""

    car: int
    stage: int


class BeltTime(NamedTuple):
    """Running time on the belt at the end of a log; not `complete` if an earlier log has no engine data."""

    running_s: float
    complete: bool


def belt_changes(texts: Iterable[str], cars: Collection[int]) -> list[BeltChange]:
    """Parse "CAR:STAGE" for cars that have a log. Raises ConfigurationError."""
    changes = []
    for text in texts:
        parts = _CHANGE.fullmatch(text.strip())
        if parts is None:
            hint = "write CAR:STAGE, such as 501:8 for a change before stage 8"
            raise ConfigurationError(f'"{text[:40]}" is not a car and a stage', where="--belt", hint=hint)
        if int(parts[1]) not in cars:
            hint = "name a car that has a log here"
            raise ConfigurationError(f"no log of car {int(parts[1])}", where="--belt", hint=hint)
        changes.append(BeltChange(int(parts[1]), int(parts[2])))
    return changes


def belt_times(verdicts: Iterable[Verdict], changes: Collection[BeltChange]) -> dict[str, BeltTime]:
    """Time on the belt at the end of each log with engine data, by the SHA-256 of the log.

    `verdicts` are in the order of the season.
    """
    times: dict[str, BeltTime] = {}
    running: dict[tuple[str, int], BeltTime] = {}
    stages: dict[tuple[str, int], int] = {}
    for verdict in verdicts:
        entry, figures = verdict.entry, verdict.figures
        car = entry.event, entry.car
        before = running.get(car, BeltTime(0.0, complete=True))
        if any(
            change.car == entry.car and stages.get(car, -1) < change.stage <= entry.stage
            for change in changes
        ):
            before = BeltTime(0.0, complete=True)
        stages[car] = entry.stage
        if figures.on_belt_s is not None:
            running[car] = BeltTime(figures.on_belt_s, complete=True)
        elif figures.running_s is not None:
            running[car] = BeltTime(round(before.running_s + figures.running_s, 1), before.complete)
        else:
            running[car] = before._replace(complete=False)
            continue
        times[entry.log] = running[car]
    return times
