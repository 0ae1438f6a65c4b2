"""What goes on after a power cut, as one value: the states of all parts, believed only if all of it can be read."""

from __future__ import annotations

from typing import Any, NamedTuple

from logger.stage.alarms import Raised
from logger.stage.limits import Over
from logger.stage.odometer import OdometerState
from logger.stage.resume import unpack
from logger.stage.steps import ProgressState
from logger.stage.timing import ClockState
from logger.stage.trips import TRIPS, Trip

STATE_VERSION = 1
"""Of the shape below; a state of another shape is refused."""


class Saved(NamedTuple):
    """In the order in which it is packed."""

    version: int
    clock: ClockState
    odometer: OdometerState
    progress: ProgressState
    trips: tuple[Trip, ...]
    alarms: tuple[Raised, ...]
    over: Over | None


def saved_state(data: Any) -> Saved:
    """The state out of JSON. Raises ValueError for anything that is none."""
    saved = unpack(Saved, data)
    if saved.version != STATE_VERSION or len(saved.trips) != TRIPS:
        raise ValueError("the state is of another version")
    return saved
