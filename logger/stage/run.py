"""The car's progress in one section, immutable: distance, elapsed time, averages, splits, trips.

A `Run` holds no running totals: it stores what odometer and drive time read at its start, and everything else is
a difference. So a section change is one assignment, undo restores the old value (however far the car has driven
since), and a power cut loses only the newest second. The distance can be corrected (by the crew, or to the
roadbook at a waypoint) without changing the odometer.
"""

from __future__ import annotations

from typing import NamedTuple

from logger.stage.course import Course, Mark
from logger.stage.itinerary import SPLITS
from logger.stage.odometer import Past


class Near(NamedTuple):
    """The closest approach so far to a mark in whose circle the car is; `stood_us`: how long it has stood there.

    `passed`: the passage is over, but waits for that of an earlier mark.
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
    """A neutralisation or transfer within a section; `allowed_us`: its fixed duration, if any."""

    kind: str
    from_us: int
    from_m: float
    from_moving_us: int
    allowed_us: int | None
    to_us: int | None = None
    to_m: float = 0.0
    to_moving_us: int = 0

    def uncounted_us(self, at_us: int) -> int:
        """Return how much of the time up to `at_us` does not count. A pause with a fixed duration ends to the exact
        second, wherever the car is; otherwise its closing mark ends it."""
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
    """Whether GPS was lost at the start; then every split is an estimate."""
    base_m: float = 0.0
    base_moving_us: int = 0
    correction_m: float = 0.0
    certain_m: float = 0.0
    """The odometer's `estimated_m` when the distance was last certain."""
    done: int = 0
    """Number of marks settled: passed or missed."""
    sure: bool = False
    """Whether the last of them was passed by position."""
    held: int | None = None
    """A mark that cannot pass until the car has left it, because the crew undid its passage."""
    opened: int = -1
    nears: tuple[Near, ...] = ()
    ahead: tuple[Near, ...] = ()
    """The same as `nears`, for the start of the next section."""
    pauses: tuple[Pause, ...] = ()
    splits: tuple[Split, ...] = ()
    earlier_splits: tuple[Split, ...] = ()
    """Splits of the last section that had any, shown until there are new ones."""
    due_us: int | None = None
    """When the next section starts automatically, in drive time."""
    due_utc_us: int | None = None
    """When the next section starts by the crew's schedule, in UTC."""

    def metres(self, total_m: float) -> float:
        """Return the distance in the section at an odometer reading."""
        return 0.0 if self.started_us is None else total_m - self.base_m + self.correction_m

    def elapsed_us(self, at_us: int) -> int | None:
        """Return the counted time at `at_us`; None before the start."""
        if self.started_us is None:
            return None
        return max(0, at_us - self.started_us - sum(pause.uncounted_us(at_us) for pause in self.pauses))

    def counted_m(self, total_m: float) -> float:
        """Return the distance for the averages. Organisers divide a section's whole length by its counted time, so
        the road of a neutralisation (usually a refuelling) counts; a transfer is a liaison and does not."""
        away_m = sum(
            (total_m if pause.to_us is None else pause.to_m) - pause.from_m
            for pause in self.pauses
            if pause.kind == "dt"
        )
        return max(0.0, self.metres(total_m) - away_m)

    def average_mps(self, past: Past) -> float | None:
        """Return the average with stops at an odometer reading; None in the first second."""
        return _ratio(self.counted_m(past.total_m), self.elapsed_us(past.at_us))

    def moving_average_mps(self, past: Past) -> float | None:
        """Return the average without stops; None in the first second."""
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
"""Number of trip meters: distance and average since the last reset, adjustable by the crew."""


class Trip(NamedTuple):
    """A trip meter: odometer and drive time at its last reset, and the crew's correction."""

    base_m: float = 0.0
    base_us: int = 0
    correction_m: float = 0.0

    def metres(self, total_m: float) -> float:
        """Return the distance at an odometer reading; a correction can make it negative."""
        return total_m - self.base_m + self.correction_m

    def average_mps(self, total_m: float, at_us: int) -> float | None:
        """Return the average with stops; None in the first second."""
        return _ratio(max(0.0, self.metres(total_m)), at_us - self.base_us)


_SHORTEST_US = 1_000_000
"""An average over less than a second is noise."""


def _ratio(metres: float, elapsed_us: int | None) -> float | None:
    return metres * 1e6 / elapsed_us if elapsed_us is not None and elapsed_us >= _SHORTEST_US else None


def marked(run: Run, mark: Mark, past: Past, *, estimated: bool) -> Run:
    """Return the run after a mark was passed at `past`: with its split, or with a pause begun or ended."""
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
    """The rest of a section. In a neutralisation or transfer the clock stands still until its end or, if it has a
    fixed duration, for that duration."""

    counted_m: float
    """Distance on which the clock runs, which decides whether the target time can be met."""
    still_m: float
    """Distance of pauses without a fixed duration."""
    still_us: int
    """Time left of pauses with a fixed duration."""


def ahead(run: Run, course: Course, total_m: float, now_us: int) -> Ahead:
    """Return the rest of a running section, from the marks that are not settled yet."""
    here_m = min(run.metres(total_m), course.length_m)
    left_m = course.length_m - here_m
    fixed_m, still_m, still_us = 0.0, 0.0, 0
    pause = run.pause
    if pause is not None and pause.allowed_us is not None:
        still_us = max(0, pause.from_us + pause.allowed_us - now_us)
    from_m, fixed = here_m, still_us > 0
    stands = pause is not None and (
        fixed or pause.allowed_us is None
    )  # else its time is over and the car is late
    for mark in course.pause_marks:
        if not run.done <= mark.order <= course.end:
            continue
        at_m = min(max(here_m, mark.metres), course.length_m)
        if mark.kind in ("dn", "dt") and not stands:
            stands, from_m, fixed = True, at_m, mark.pause_us is not None
            still_us += mark.pause_us or 0
        elif mark.kind in ("fn", "ft") and stands:
            stands, way_m = False, at_m - from_m
            fixed_m, still_m = fixed_m + way_m * fixed, still_m + way_m * (not fixed)
    return Ahead(left_m - fixed_m - still_m, still_m, still_us)


def moved(run: Run, course: Course, metres: float, total_m: float, overrun_m: float) -> Run:
    """Return the run with its distance shifted by `metres`: marks now `overrun_m` behind are skipped, and marks by
    kilometre that are ahead again become pending again."""
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
