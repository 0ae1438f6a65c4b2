"""State machine of the day's sections: start and finish by crossing, clock or crew, with undo.

    waiting --start (crossing dss | due time | crew)--> running --finish (crossing ass | length | crew)--+
       ^                                                                                                  |
       +------- next section is selective: waiting; liaison, neutralisation, transfer: running at once ---+

Uses marks, legs and drive time, no GPS or limits. Every change is an event through `emit(at_us, kind, detail)`.
`undo` reverts the last section change or correction: restoring the old `Run` is enough (see run.py). After an undo,
the mark that triggered the change is held: it cannot trigger again until the car has left it.
"""

from __future__ import annotations

from logger.stage.course import CONTROLS, END, Course, Mark
from logger.stage.events import Emit, finish_detail, section_detail, waypoint_detail
from logger.stage.odometer import Leg, Odometer, Past
from logger.stage.passing import OVERRUN_M, Passed, Watch
from logger.stage.run import Run, marked, moved
from logger.stage.steps import MAX_CONTROLS, MAX_UNDO, Control, ProgressState, Step

ROLLING_MPS = 3.0
"""Above this speed a car that waits for an untimed section has set off; below it may be moving up in a queue."""
_SETTING_OFF, _NEXT_START = -1, -2
"""Values of `Run.held`: setting off does not start this section; crossing the next section's start does not start
that one."""
_MAX_PASSES_PER_LEG = 100
"""Bound on marks that one leg can pass: a leg is a second's drive, or a gap in GPS of some kilometres."""
JUMP_START_US = 60_000_000
"""A car that leaves less than this before the due time has jumped the start: the due time still applies."""


class Progress:
    """Progress through the sections. `reset_at_marks`: set the distance to the roadbook's at each mark passed by
    position."""

    def __init__(
        self, courses: tuple[Course, ...], odometer: Odometer, emit: Emit, *, reset_at_marks: bool = True
    ) -> None:
        self.courses = courses
        self.run = Run()
        self.steps: tuple[Step, ...] = ()
        self.controls: tuple[Control, ...] = ()
        self._odometer = odometer
        self._emit = emit
        self._reset = reset_at_marks
        self._watch = Watch()
        self._watch_ahead = Watch()
        self._waiting = Run()
        self._due_us: int | None = None

    @property
    def course(self) -> Course | None:
        """The section being driven or waited for; None without an itinerary or after the last section."""
        return self.courses[self.run.section] if self.run.section < len(self.courses) else None

    @property
    def following(self) -> int:
        """The index of the section that the next start begins: the one waited for, or the one after the current."""
        return self.run.section + (self.run.started_us is not None)

    @property
    def next_mark(self) -> Mark | None:
        """The next mark: not passed, and not so far behind that it was missed."""
        course, metres = self.course, self.run.metres(self._odometer.total_m)
        if course is None:
            return None
        ahead = course.marks[self.run.done : course.end + 1]
        return next(
            (mark for mark in ahead if metres <= mark.metres + OVERRUN_M), ahead[-1] if ahead else None
        )

    def leg(self, leg: Leg) -> None:
        """Process a leg of the drive."""
        for _ in range(_MAX_PASSES_PER_LEG):
            course, run = self.course, self.run
            if course is None:
                return
            if run.started_us is None and not course.timed:
                if run.held != _SETTING_OFF and leg.to_mps > ROLLING_MPS:
                    undo_to = run._replace(held=_SETTING_OFF)
                    self.start(self._odometer.past(leg.from_us), "moving", undo_to=undo_to)
                return
            opened = run.opened
            doubt_m = self._odometer.estimated_m - run.certain_m
            self.run, passed = self._watch.look(course, run, leg, self._odometer.moving_us, doubt_m)
            if self.run.opened != opened:
                self._waypoint(leg.to_us, course.marks[self.run.opened], "open")
            start = passed if run.started_us is None else None
            if passed is None and not course.timed:
                start = self._next_start(leg)
            if start is not None:
                self._start_at(start)
            elif passed is not None:
                self._settle(passed)
            else:
                return

    def due(self, now_us: int, due_us: int | None) -> None:
        """Advance to `now_us`; start the next section if `due_us` has been reached."""
        self._due_us = due_us
        if due_us is not None and now_us >= due_us:
            self._due_us = None
            self.run = self.run._replace(due_us=None, due_utc_us=None)
            if self.following < len(self.courses):
                self.start(self._odometer.past(due_us)._replace(at_us=due_us), "schedule")

    def schedule(self, at_us: int, due_utc_us: int | None) -> None:
        """Set the UTC at which the next section starts; None removes it. Raises ValueError if no section is left."""
        if self.following >= len(self.courses):
            raise ValueError("no section is left")
        self.push(Step("scheduled start", "schedule", at_us, due_utc_us=self.run.due_utc_us))
        self.run = self.run._replace(due_utc_us=due_utc_us)

    def start(
        self,
        past: Past,
        cause: str,
        index: int | None = None,
        *,
        undo_to: Run | None = None,
        estimated: bool = False,
    ) -> None:
        """Start a section at `past`: the one with this `index`, else the one waited for, else the next.

        Raises ValueError if there is no such section.
        """
        if index is None:
            index = self.following
        if not 0 <= index < len(self.courses):
            raise ValueError("no section is left" if self.courses else "there is no itinerary")
        self.push(Step(f"start of {self._title(index)}", "section", past.at_us, undo_to or self.run))
        if self.run.started_us is not None:
            self._emit_finish(past, cause)
        self._begin(index, past, cause, estimated=estimated)

    def finish(self, past: Past, cause: str, undo_to: Run | None = None) -> None:
        """Finish the section at `past`. Raises ValueError if none is running."""
        run = self.run
        if run.started_us is None or self.course is None:
            raise ValueError("no section is running")
        self.push(Step(f"finish of {self._title(run.section)}", "section", past.at_us, undo_to or run))
        self._emit_finish(past, cause)
        following = self.courses[run.section + 1] if run.section + 1 < len(self.courses) else None
        if following is not None and not following.timed:
            self._begin(run.section + 1, past, cause)
        else:
            self.run = Run(
                run.section + 1,
                nears=run.ahead,
                earlier_splits=run.splits or run.earlier_splits,
                due_us=run.due_us,
                due_utc_us=run.due_utc_us,
            )

    def undo(self, at_us: int) -> Step:
        """Undo the last step and return it. Raises ValueError if there is none."""
        if not self.steps:
            raise ValueError("there is nothing to undo")
        *others, step = self.steps
        self.steps = tuple(others)
        if step.kind == "schedule":
            self.run = self.run._replace(due_utc_us=step.due_utc_us)
        elif step.kind == "distance" and step.run is not None:
            unmoved = self.run.done == step.done
            self.run = self.run._replace(correction_m=self.run.correction_m - step.correction_m)
            if unmoved:
                self.run = self.run._replace(done=step.run.done, sure=step.run.sure, splits=step.run.splits)
        elif step.run is not None:
            self.run = step.run
            self.controls = tuple(control for control in self.controls if control.at_us < step.at_us)
        self._emit(at_us, "undone", {"what": step.what})
        return step

    def adjust(self, at_us: int, metres: float) -> None:
        """Shift the section's distance by `metres`. Raises ValueError if no section is running.

        Marks now far behind are skipped; marks by kilometre that are ahead again become pending again.
        """
        before = self.run
        if before.started_us is None or self.course is None:
            raise ValueError("no section is running")
        self.run = moved(before, self.course, metres, self._odometer.total_m, OVERRUN_M)
        self.push(Step(f"distance {metres:+.0f} m", "distance", at_us, before, metres, self.run.done))

    def push(self, step: Step) -> None:
        """Add a step to the undo history."""
        self.steps = (*self.steps, step)[-MAX_UNDO:]

    def resume(self, state: ProgressState) -> None:
        """Restore the state of an earlier session. Raises ValueError if it is of another itinerary."""
        if not 0 <= state.run.section <= len(self.courses):
            raise ValueError("the state is of another itinerary")
        if state.run.section < len(self.courses):
            marks = len(self.courses[state.run.section].marks)
            if not 0 <= state.run.done <= marks or not -1 <= state.run.opened < marks:
                raise ValueError("the state is of another itinerary")
        self.run, self.steps, self.controls = state

    def state(self) -> ProgressState:
        """Return the state for `resume`."""
        return ProgressState(self.run, self.steps, self.controls)

    def _title(self, index: int) -> str:
        section = self.courses[index].section
        return section.name or f"{section.kind} {index + 1}"

    def _begin(self, index: int, past: Past, cause: str, *, estimated: bool = False) -> None:
        course, run = self.courses[index], self.run
        is_fixed_pause = course.section.kind == "neutralisation" and course.target_us is not None
        self.run = Run(
            index,
            past.at_us,
            estimated,
            past.total_m,
            past.moving_us,
            certain_m=self._odometer.estimated_m,
            correction_m=0.0 if course.start is None else course.start.metres,
            done=0 if course.start is None else course.start.order + 1,
            sure=course.start is not None and cause in ("crossing", "schedule"),
            earlier_splits=run.splits or run.earlier_splits,
            due_us=past.at_us + (course.target_us or 0) if is_fixed_pause else None,
        )
        self._emit(past.at_us, "section", section_detail(index, course, "started", cause))
        if course.start is not None:
            self._control(course.start, past.at_us, 0)

    def _emit_finish(self, past: Past, cause: str) -> None:
        run, course = self.run, self.course
        assert course is not None  # noqa: S101 - the caller has checked
        for mark in course.marks[run.done : course.end]:
            self._waypoint(past.at_us, mark, "missed")
        detail = section_detail(run.section, course, "finished", cause)
        self._emit(past.at_us, "section", detail | finish_detail(run, past))

    def _next_start(self, leg: Leg) -> Passed | None:
        """Return the passage of the next timed section's start, if this section's own marks are settled."""
        run, following = self.run, self.run.section + 1
        course = self.course
        if course is None or following >= len(self.courses) or run.started_us is None:
            return None
        start = self.courses[following].start
        if start is None or start.position is None or 0 < run.done < course.end:
            return None  # with no mark settled yet the log may have begun anywhere, also at the next start
        held = start.order if run.held == _NEXT_START else None
        before = self._waiting  # the same object while nothing changes, so that the watch can skip checks
        if (before.section, before.nears, before.held) != (following, run.ahead, held):
            before = Run(following, nears=run.ahead, held=held)
        moving_us = self._odometer.moving_us
        self._waiting, passed = self._watch_ahead.look(self.courses[following], before, leg, moving_us, 0.0)
        if self._waiting is not before:
            released = held is not None and self._waiting.held is None
            self.run = run._replace(ahead=self._waiting.nears, held=None if released else run.held)
        return passed

    def _start_at(self, passed: Passed) -> None:
        """Start the section whose start mark was passed, unless the start was jumped."""
        due_us = self._due_us
        held = passed.mark.order if self.run.started_us is None else _NEXT_START
        if due_us is not None and 0 < due_us - passed.at_us <= JUMP_START_US:
            self.run = self.run._replace(nears=(), ahead=(), held=held)
            return
        undo_to = self.run._replace(held=held, nears=(), ahead=())
        past = Past(passed.at_us, passed.total_m, passed.moving_us)
        self.start(past, "crossing", undo_to=undo_to, estimated=passed.estimated)
        self._waypoint(passed.at_us, passed.mark, "validated", passed)

    def _settle(self, passed: Passed) -> None:
        mark, past = passed.mark, Past(passed.at_us, passed.total_m, passed.moving_us)
        before, course = self.run, self.course
        assert course is not None  # noqa: S101 - something passed
        for missed in course.marks[before.done : mark.order]:
            self._waypoint(past.at_us, missed, "missed")
        run = marked(before, mark, past, estimated=passed.estimated)
        if mark.kind in CONTROLS:
            self._control(mark, past.at_us, before.elapsed_us(past.at_us))
        sure = passed.nearest_m is not None and not passed.estimated
        moved_m = 0.0
        if self._reset and sure:
            moved_m = mark.metres - run.metres(past.total_m)
            run = run._replace(correction_m=run.correction_m + moved_m, certain_m=self._odometer.estimated_m)
            self.steps = tuple(step for step in self.steps if step.kind != "distance")
        nears = tuple(near for near in run.nears if near.mark > mark.order)
        self.run = run._replace(done=mark.order + 1, sure=sure, nears=nears)
        self._waypoint(past.at_us, mark, "validated", passed, moved_m=round(moved_m, 1))
        if mark.order == course.end:
            undo_to = before._replace(held=mark.order, nears=(), ahead=())
            self.finish(past, "distance" if passed.nearest_m is None else "crossing", undo_to)

    def _waypoint(
        self, at_us: int, mark: Mark, state: str, passed: Passed | None = None, **more: float
    ) -> None:
        if mark.kind != END:
            self._emit(at_us, "waypoint", waypoint_detail(self.run.section, mark, state, passed, **more))

    def _control(self, mark: Mark, at_us: int, elapsed_us: int | None) -> None:
        self.controls = (*self.controls, Control(mark.kind, mark.label, at_us, elapsed_us))[-MAX_CONTROLS:]
