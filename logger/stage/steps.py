"""What the progress of a day remembers beside where it is: steps that can be undone, controls that were passed."""

from __future__ import annotations

from typing import Literal, NamedTuple

from logger.stage.run import Run, Trip

MAX_UNDO = 4
"""Steps that can be taken back; the state that is saved every second carries them."""
MAX_CONTROLS = 10
"""The last controls, as crews' computers show them."""


class Step(NamedTuple):
    """Something that can be undone, and what it replaced: a whole `run` for a section change, the correction of
    a distance (and the marks that it opened or closed, if none has passed since), a due time, the trips."""

    what: str
    kind: Literal["section", "distance", "schedule", "trips"]
    at_us: int
    run: Run | None = None
    correction_m: float = 0.0
    done: int = 0
    due_utc_us: int | None = None
    trips: tuple[Trip, ...] = ()


class Control(NamedTuple):
    """A control passed: one of the last ten."""

    kind: str
    name: str
    at_us: int
    elapsed_us: int | None


class ProgressState(NamedTuple):
    """What another session needs to go on."""

    run: Run
    steps: tuple[Step, ...]
    controls: tuple[Control, ...]
