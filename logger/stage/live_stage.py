"""Live computation of a drive: fixes, readings and commands in; a `Snapshot`, events and rows out.

Recorder, replay, simulation and review all run this class. It connects the parts in order: the clock converts
every time to drive time, the odometer turns fixes and wheel speeds into legs, each leg goes through progress and
then limits, and a tick checks due starts and alarms. It reads no clock and opens nothing: the same inputs give
the same state, events and rows. Bad data never raises.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from firmware_bridge.gps.utc import trusted_utc_us
from firmware_bridge.printable import printable
from firmware_bridge.record_columns import ReadingColumns
from firmware_bridge.records import Fix, Reading
from logger.stage import commands
from logger.stage.alarm_values import AlarmValues
from logger.stage.alarms import AlarmRule, Alarms, Change
from logger.stage.course import Course
from logger.stage.events import Event, ProgressRow
from logger.stage.itinerary import Itinerary
from logger.stage.limits import KMH, Limit, Limits
from logger.stage.odometer import OBD, WHEEL, Leg, Odometer, Past
from logger.stage.progress import Progress
from logger.stage.rules import Rules
from logger.stage.run import TRIPS, Trip
from logger.stage.snapshot import Snapshot
from logger.stage.speed_trace import SpeedTrace
from logger.stage.state_codec import STATE_VERSION, Saved, pack, saved_state
from logger.stage.steps import Step
from logger.stage.timing import DriveClock

MAX_EVENTS = 10_000
"""Bound on events that wait for `take_events`; beyond it the older half is dropped, as nothing reads them any more."""
WHEEL_CHANNELS = {"wheel_kmh": WHEEL, "speed_kmh": OBD}
"""Channels with a speed, the better one first, and their odometer source."""


class LiveStage:
    """The live state of one car. Without an itinerary, speed, distance, trips and alarms still work."""

    def __init__(
        self,
        itinerary: Itinerary | None,
        rules: Rules,
        alarms: Sequence[AlarmRule] = (),
        *,
        class_name: str | None = None,
        reset_at_marks: bool = True,
    ) -> None:
        self.itinerary = itinerary
        self.clock = DriveClock()
        self.odometer = Odometer()
        self.alarms = Alarms(alarms)
        self._alarm_values = AlarmValues()
        self.trips: tuple[Trip, ...] = (Trip(),) * TRIPS
        self.last_fix: Fix | None = None
        self.rules = rules
        courses = tuple(Course(section) for section in itinerary.sections) if itinerary else ()
        self.progress = Progress(courses, self.odometer, self._emit, reset_at_marks=reset_at_marks)
        stage_kmh = itinerary.stage.max_speed_kmh if itinerary else None
        fixed = {"class": rules.class_limit_kmh(class_name), "stage": stage_kmh}
        self.limits = Limits(rules.speed, fixed, self._emit)
        self._trace = SpeedTrace()
        self._events: list[Event] = []
        self._ticked_us: int | None = None

    def fix(self, fix: Fix) -> None:
        """Take the fix of one epoch."""
        at_us = self.clock.fix_us(fix.t_us, trusted_utc_us(fix))
        self.last_fix = fix
        if fix.lat is None or fix.lon is None or not (abs(fix.lat) <= 90 and math.isfinite(fix.lon)):
            return
        self._alarm_values.fixes.located(fix.t_us)
        self._follow(self.odometer.fix(at_us, fix.lat, fix.lon, fix.speed_mps))

    def readings(self, readings: Iterable[Reading]) -> None:
        """Take engine readings; wheel and OBD speeds also go to the odometer."""
        columns = ReadingColumns.of(readings)
        if not all(map(math.isfinite, columns.values)):
            columns = ReadingColumns.of(one for one in columns if math.isfinite(one.value))
        names = [name for name, _, _ in columns.channels]
        self._alarm_values.readings(names, columns)
        if WHEEL_CHANNELS.keys() & names:
            for name, t_us, value in zip(names, columns.times_us, columns.values, strict=True):
                if (source := WHEEL_CHANNELS.get(name)) is not None:
                    self._follow(self.odometer.wheel(self.clock.at_us(t_us), value / KMH, source))

    def health(self, name: str, value: float | None) -> None:
        """Set a health value of the recorder for alarms, such as `can_age_s`; None if unknown."""
        self._alarm_values.health(name, value)

    def tick(self, t_us: int) -> None:
        """Advance to `t_us`: start a section that is due, evaluate the alarms."""
        self.clock.advance(t_us)
        now_us = self.clock.at_us(t_us)
        self._due(now_us)
        if rejected := self.odometer.rejected.take(now_us):
            self._emit(now_us, "speeds_rejected", rejected)
        for change in self.alarms.tick(now_us, self.values(t_us, self.alarms.names)):
            self._alarm(now_us, change)

    def command(self, t_us: int, name: str, arguments: Mapping[str, Any]) -> None:
        """Carry out a command of the crew. Raises ValueError (one line) if it is invalid or not possible now."""
        order = commands.order(name, arguments)
        now_us = self.clock.at_us(t_us)
        self._execute(order, now_us)
        self._emit(now_us, "command", {"name": name, "arguments": dict(arguments)})

    def begin(self, t_us: int) -> None:
        """Start the log at `t_us`, later than the session: trips and the age of GPS count from here."""
        self._alarm_values.begin(t_us)
        self.trips = (Trip(base_us=self.clock.at_us(t_us)),) * TRIPS

    def finish(self) -> None:
        """End the log: close an over-speed in progress at the last fix, report implausible speeds."""
        if self.odometer.at_us is not None:
            self.limits.close(self.odometer.at_us, self.odometer.total_m)
        now_us = self._ticked_us or 0
        if rejected := self.odometer.rejected.take(now_us, is_last=True):
            self._emit(now_us, "speeds_rejected", rejected)

    def take_events(self) -> list[Event]:
        """Return the events since the last call, in the order they were emitted, and remove them from here."""
        events, self._events = self._events, []
        return events

    @property
    def due_us(self) -> int | None:
        """Drive time at which the next section starts, by the crew's schedule or a neutralisation."""
        run = self.progress.run
        return run.due_us if run.due_utc_us is None else self.clock.of_utc(run.due_utc_us)

    @property
    def planned_us(self) -> int | None:
        """Drive time at which the next section starts by the itinerary."""
        courses, following = self.progress.courses, self.progress.following
        start_utc_us = courses[following].start_utc_us if following < len(courses) else None
        return None if start_utc_us is None else self.clock.of_utc(start_utc_us)

    def limit(self) -> Limit:
        """Return the limit at the car's last known position."""
        where = None if self.odometer.at_us is None else self.odometer.position
        return self.limits.at(self.progress.course, self.progress.run, self.odometer.total_m, where)

    def progress_row(self, t_us: int) -> ProgressRow:
        """Return the row of the progress table for `t_us`."""
        now_us = self.clock.at_us(t_us)
        run, course = self.progress.run, self.progress.course
        elapsed_us = run.elapsed_us(now_us)
        total_m = self.odometer.total_m
        return ProgressRow(
            t_us,
            None if course is None else run.section,
            total_m if course is None else run.metres(total_m),
            None if elapsed_us is None else elapsed_us / 1e6,
            run.average_mps(self.odometer.past(now_us)),
            self.limit().kmh,
            self.odometer.speed(now_us)[0],
        )

    def values(self, t_us: int, names: Set[str] | None = None) -> dict[str, float | None]:
        """Return the values for alarm conditions at `t_us` that have not expired; at least those in `names`, or all."""
        values = self._alarm_values.at(t_us, self.odometer.speedless_us, names)
        mps, _ = self.odometer.speed(self.clock.at_us(t_us))
        if mps is not None:
            values["speed_kmh"] = mps * KMH
        if mps is not None and (names is None or "over_kmh" in names):  # it takes time to look up
            limit_kmh = self.limit().kmh
            values["over_kmh"] = None if limit_kmh is None else mps * KMH - limit_kmh
        return values

    def snapshot(self, t_us: int) -> Snapshot:
        """Return the complete state at `t_us`, for display."""
        now_us, odometer, progress = self.clock.at_us(t_us), self.odometer, self.progress
        mps, source = odometer.speed(now_us)
        raised = self.alarms.raised()
        return Snapshot(
            t_us,
            now_us,
            zero_utc_us=self.clock.utc_us(0),
            stage=self.itinerary.stage if self.itinerary else None,
            courses=progress.courses,
            course=progress.course,
            run=progress.run,
            next_mark=progress.next_mark,
            controls=progress.controls,
            fix=self.last_fix,
            speed_mps=mps,
            speed_source=source,
            past=odometer.past(now_us),
            total_m=odometer.total_m,
            estimated_m=odometer.estimated_m,
            odometer_us=odometer.at_us,
            limit=self.limit(),
            warn_within_kmh=self.rules.speed.warn_within_kmh,
            trips=self.trips,
            due_us=self.due_us,
            planned_us=self.planned_us,
            engine=self._alarm_values.engine,
            alarms=raised,
            alarm_values=self.values(t_us) if raised else {},
            trace=self._trace.shown,
        )

    def state(self) -> list[Any]:
        """Return the state for `restore`, as JSON values; some hundred bytes plus the splits."""
        progress, over = self.progress.state(), self.limits.over
        alarms, clock = self.alarms.state(), self.clock.state()
        saved = Saved(STATE_VERSION, clock, self.odometer.state(), progress, self.trips, alarms, over)
        packed: list[Any] = pack(saved)
        return packed

    def restore(self, state: Any, gap_s: float | None) -> bool:
        """Restore the `state` of an earlier session. `gap_s`: from that state to this session's t_us = 0, if known.

        If the state is unreadable or of another itinerary, change nothing and return False.
        """
        try:
            saved = saved_state(state)
            self.progress.resume(saved.progress)
        except ValueError as error:
            self._emit(0, "state_refused", {"why": str(error)})
            return False
        self.clock.resume(saved.clock, gap_s)
        self.odometer.resume(saved.odometer)
        self.trips, self.limits.over = saved.trips, saved.over
        self.alarms.resume(saved.alarms)
        return True

    def _follow(self, leg: Leg | None) -> None:
        if leg is None:
            return
        self._due(leg.to_us)
        self.progress.leg(leg)
        limit = self.limit()
        self.limits.leg(leg, limit, self.progress.run)
        self._trace.leg(leg, limit.kmh)

    def _due(self, now_us: int) -> None:
        """Start a section that is due: by the crew's schedule, a neutralisation's end, or the itinerary's time."""
        last_us, due_us = self._ticked_us, self.due_us
        self._ticked_us = now_us if last_us is None else max(now_us, last_us)
        planned_us = self.planned_us
        if due_us is None and planned_us is not None and last_us is not None and last_us < planned_us:
            due_us = planned_us  # only at the moment itself: a past or undone plan starts nothing
        self.progress.due(now_us, due_us)

    def _execute(self, order: commands.Order, now_us: int) -> None:
        total_m = self.odometer.total_m
        match order.name:
            case "start_section":
                self.progress.start(self._moment(now_us), "crew", order.number)
            case "finish_section":
                self.progress.finish(self._moment(now_us), "crew")
            case "undo":
                self.trips = self.progress.undo(now_us).trips or self.trips
            case "schedule_start":
                utc_us = self.clock.utc_us(now_us)
                self.progress.schedule(now_us, commands.start_utc_us(order.text, utc_us))
            case "reset_trip":
                self._set_trip(order.number, Trip(total_m, now_us), now_us)
            case "adjust_distance" | "set_distance" if order.number is not None:
                trip = self.trips[order.number]
                moved_m = order.metres - (trip.metres(total_m) if order.name == "set_distance" else 0.0)
                self._set_trip(order.number, trip._replace(correction_m=trip.correction_m + moved_m), now_us)
            case "adjust_distance":
                self.progress.adjust(now_us, order.metres)
            case "set_distance":
                self.progress.adjust(now_us, order.metres - self.progress.run.metres(total_m))
            case "acknowledge":
                self._acknowledge(order.text, now_us)

    def _moment(self, now_us: int) -> Past:
        """Return the odometer's newest reading, at the time `now_us`."""
        return self.odometer.past(now_us)._replace(at_us=now_us)

    def _set_trip(self, number: int | None, trip: Trip, now_us: int) -> None:
        assert number is not None  # noqa: S101 - checked by commands.order
        self.progress.push(Step(f"trip {number + 1}", "trips", now_us, trips=self.trips))
        self.trips = (*self.trips[:number], trip, *self.trips[number + 1 :])

    def _acknowledge(self, name: str | None, now_us: int) -> None:
        if name is not None and not self.alarms.knows(name):
            raise ValueError(f'acknowledge: "{printable(name, commands.MAX_SHOWN)}" is not an alarm')
        for change in self.alarms.acknowledge(name):
            self._alarm(now_us, change)

    def _alarm(self, now_us: int, change: Change) -> None:
        rule = change.rule
        self._emit(now_us, "alarm", {"state": change.what, "name": rule.name, "level": rule.level})

    def _emit(self, at_us: int, kind: str, detail: Mapping[str, Any]) -> None:
        utc_us = self.clock.utc_us(at_us)
        self._events.append(Event(self.clock.t_us(at_us), kind, {**detail, "utc_us": utc_us}))
        if len(self._events) > MAX_EVENTS:
            del self._events[: MAX_EVENTS // 2]
