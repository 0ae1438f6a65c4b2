"""Where the car is in the itinerary, as one immutable value; and the arithmetic on it.

A `Run` holds no running totals: it remembers what odometer and drive time read at its start, and everything
else is a difference. So a section change is one assignment, undo is putting the old value back (however much
has been driven since), and a power cut costs nothing but the newest second. Distance may be moved (by the
crew, or re-set to the roadbook at a waypoint) without the odometer knowing.
"""

from __future__ import annotations

from typing import NamedTuple

from logger.stage.course import Course, Mark
from logger.stage.itinerary import SPLITS
from logger.stage.odometer import Past


class Near(NamedTuple):
    """The nearest the car has been to a mark in whose circle it is; `stood_us` is how long it has stood there.

    `passed` means that it is over, and only waits for an earlier mark to be.
    """

    mark: int
    nearest_m: float
    at_us: int
    total_m: float
    moving_us: int
    stood_us: int
    estimated: bool
    passed: bool = False


class Pause(NamedTuple):
    """A neutralisation or transfer within a section: `allowed_us` is its fixed length, if it has one."""

    kind: str
    from_us: int
    from_m: float
    from_moving_us: int
    allowed_us: int | None
    to_us: int | None = None
    to_m: float = 0.0
    to_moving_us: int = 0

    def uncounted_us(self, at_us: int) -> int:
        """How much of the time up to a moment it takes away. A fixed length ends to the exact second, wherever
        the car is then; otherwise its closing mark ends it."""
        last_us = at_us if self.to_us is None else min(at_us, self.to_us)
        if self.allowed_us is not None:
            last_us = min(at_us, self.from_us + self.allowed_us)
        return max(0, last_us - self.from_us)


class Split(NamedTuple):
    """The counted time at a checkpoint or the finish."""

    name: str
    km: float
    elapsed_us: int
    average_mps: float | None
    estimated: bool


class Run(NamedTuple):
    """One section being driven, or waited for (`started_us` None)."""

    section: int = 0
    started_us: int | None = None
    start_estimated: bool = False
    """Whether GPS did not see the start: then every split is an estimate."""
    base_m: float = 0.0
    base_moving_us: int = 0
    correction_m: float = 0.0
    certain_m: float = 0.0
    """What the odometer had estimated in all when the distance was last certain."""
    done: int = 0
    """Marks settled: passed, or given up."""
    sure: bool = False
    """Whether the last of them was seen being passed."""
    held: int | None = None
    """A mark that must not pass by itself until the car has been away from it: the crew undid that."""
    opened: int = -1
    nears: tuple[Near, ...] = ()
    ahead: tuple[Near, ...] = ()
    """The same for the start of the next section."""
    pauses: tuple[Pause, ...] = ()
    splits: tuple[Split, ...] = ()
    earlier_splits: tuple[Split, ...] = ()
    """Those of the last section that had any: shown until there are new ones."""
    due_us: int | None = None
    """When the next section starts by itself, in drive time ..."""
    due_utc_us: int | None = None
    """... or in UTC, as the crew gave it."""

    def metres(self, total_m: float) -> float:
        """Distance in the section at a reading of the odometer."""
        return 0.0 if self.started_us is None else total_m - self.base_m + self.correction_m

    def elapsed_us(self, at_us: int) -> int | None:
        """Counted time at a moment."""
        if self.started_us is None:
            return None
        return max(0, at_us - self.started_us - sum(pause.uncounted_us(at_us) for pause in self.pauses))

    def counted_m(self, total_m: float) -> float:
        """Distance that the averages count. Organisers divide a section's whole length by its counted time, so
        the road of a neutralisation, a refuelling as a rule, counts; a transfer is a liaison, and does not."""
        away_m = sum(
            (total_m if pause.to_us is None else pause.to_m) - pause.from_m
            for pause in self.pauses
            if pause.kind == "dt"
        )
        return max(0.0, self.metres(total_m) - away_m)

    def average_mps(self, past: Past) -> float | None:
        """Average with stops at a moment of the odometer; None before there is any time to speak of."""
        return _ratio(self.counted_m(past.total_m), self.elapsed_us(past.at_us))

    def moving_average_mps(self, past: Past) -> float | None:
        """Average without stops."""
        if self.started_us is None:
            return None
        away_us = sum(
            (past.moving_us if pause.to_us is None else pause.to_moving_us) - pause.from_moving_us
            for pause in self.pauses
        )
        return _ratio(self.counted_m(past.total_m), past.moving_us - self.base_moving_us - away_us)

    @property
    def pause(self) -> Pause | None:
        """The neutralisation or transfer that the car is in."""
        return self.pauses[-1] if self.pauses and self.pauses[-1].to_us is None else None


TRIPS = 2
"""Trip meters: distance and average since they were last set to zero, moved by hand when need be."""


class Trip(NamedTuple):
    """What odometer and drive time read when the trip was zero."""

    base_m: float = 0.0
    base_us: int = 0
    correction_m: float = 0.0

    def metres(self, total_m: float) -> float:
        """Distance at a reading of the odometer; a crew may well move it below zero."""
        return total_m - self.base_m + self.correction_m

    def average_mps(self, total_m: float, at_us: int) -> float | None:
        """Average with stops; None in the first second."""
        return _ratio(max(0.0, self.metres(total_m)), at_us - self.base_us)


_SHORTEST_US = 1_000_000
"""An average over less than a second is noise."""


def _ratio(metres: float, elapsed_us: int | None) -> float | None:
    return metres * 1e6 / elapsed_us if elapsed_us is not None and elapsed_us >= _SHORTEST_US else None


def marked(run: Run, mark: Mark, past: Past, *, estimated: bool) -> Run:
    """The run after a mark was passed at a moment: its split is taken, its pause begun or ended."""
    elapsed_us = run.elapsed_us(past.at_us)
    if mark.kind in SPLITS and elapsed_us is not None:
        away_m = run.metres(past.total_m) - run.counted_m(past.total_m)
        average_mps = _ratio(mark.metres - away_m, elapsed_us)
        split = Split(
            mark.label, mark.metres / 1000, elapsed_us, average_mps, estimated or run.start_estimated
        )
        return run._replace(splits=(*run.splits, split))
    if mark.kind in ("dn", "dt") and run.pause is None:
        pause = Pause(mark.kind, past.at_us, past.total_m, past.moving_us, mark.pause_us)
        return run._replace(pauses=(*run.pauses, pause))
    if mark.kind in ("fn", "ft") and run.pause is not None:
        closed = run.pause._replace(to_us=past.at_us, to_m=past.total_m, to_moving_us=past.moving_us)
        return run._replace(pauses=(*run.pauses[:-1], closed))
    return run


class Ahead(NamedTuple):
    """What is left of a section. In a neutralisation or transfer the clock stands: until its end or, if it has a
    fixed length, for just that long, in which its road is driven."""

    counted_m: float
    """Road on which the clock runs: for the target time, this is what has to be fast."""
    still_m: float
    """Road of pauses without a fixed length."""
    still_us: int
    """What pauses of a fixed length still take."""


def ahead(run: Run, course: Course, total_m: float, now_us: int) -> Ahead:
    """What is left of a running section, by the marks that are not settled yet."""
    here_m = min(run.metres(total_m), course.length_m)
    left_m = course.length_m - here_m
    fixed_m, still_m, still_us = 0.0, 0.0, 0
    pause = run.pause
    if pause is not None and pause.allowed_us is not None:
        still_us = max(0, pause.from_us + pause.allowed_us - now_us)
    from_m, fixed = here_m, still_us > 0
    stands = pause is not None and (fixed or pause.allowed_us is None)  # else it is late: its time is over
    for mark in course.marks[run.done : course.end + 1]:
        at_m = min(max(here_m, mark.metres), course.length_m)
        if mark.kind in ("dn", "dt") and not stands:
            stands, from_m, fixed = True, at_m, mark.pause_us is not None
            still_us += mark.pause_us or 0
        elif mark.kind in ("fn", "ft") and stands:
            stands, way_m = False, at_m - from_m
            fixed_m, still_m = fixed_m + way_m * fixed, still_m + way_m * (not fixed)
    return Ahead(left_m - fixed_m - still_m, still_m, still_us)


def moved(run: Run, course: Course, metres: float, total_m: float, overrun_m: float) -> Run:
    """The run after its distance was moved: marks now `overrun_m` behind are given up, and marks by kilometre
    that are ahead again are open again."""
    marks, first = course.marks, 0 if course.start is None else course.start.order + 1
    here_m, done, splits = run.metres(total_m) + metres, run.done, run.splits
    while done < course.end and marks[done].metres < here_m - overrun_m:
        done += 1
    while done > first and marks[done - 1].position is None and marks[done - 1].metres > here_m:
        done -= 1
        if splits and marks[done].kind in SPLITS and splits[-1].km == marks[done].metres / 1000:
            splits = splits[:-1]
    sure = run.sure and done == run.done
    return run._replace(correction_m=run.correction_m + metres, done=done, sure=sure, splits=splits)
