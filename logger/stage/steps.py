"""Undo history and passed controls of the day: records of `Progress`."""

from __future__ import annotations

from typing import Literal, NamedTuple

from logger.stage.run import Run, Trip

MAX_UNDO = 4
"""Steps that can be undone; few, as the state that is saved every second contains them."""
MAX_CONTROLS = 10
"""Number of passed controls kept, as crews' computers show."""


class Step(NamedTuple):
    """A change that can be undone, with the value it replaced: a whole `run` for a section change, the correction of
    a distance (and the marks that it settled or reopened, if none has passed since), a due time, the trips."""

    what: str
    kind: Literal["section", "distance", "schedule", "trips"]
    at_us: int
    run: Run | None = None
    correction_m: float = 0.0
    done: int = 0
    due_utc_us: int | None = None
    trips: tuple[Trip, ...] = ()


class Control(NamedTuple):
    """A control that was passed."""

    kind: str
    name: str
    at_us: int
    elapsed_us: int | None


class ProgressState(NamedTuple):
    """The state that the next session resumes from."""

    run: Run
    steps: tuple[Step, ...]
    controls: tuple[Control, ...]
