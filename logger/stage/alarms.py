"""Alarm states over time: raised, acknowledged, cleared and re-armed, with delay and hysteresis.

An alarm is raised when its `when` has held continuously for `for_s` while its `while` held too (a low voltage
means nothing with the engine off). It clears when `when` fails by more than the slack, so that a value at the
limit does not ring twice, or when `while` fails. A silent channel neither raises nor clears an alarm: GPS and
CAN silence have alarms of their own. A latched alarm also stays on until it is acknowledged. Times are drive time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from logger.stage.conditions import Condition, Values

Level = Literal["info", "warn", "critical"]

_OWN_UNITS = {"speed_kmh": "km/h", "over_kmh": "km/h", "gps_age_s": "s", "gps_speed_age_s": "s"}
_HEALTH_UNITS = {
    "can_age_s": "s",
    "writer_lag_s": "s",
    "disk_free_mb": "MB",
    "disk_room_h": "h",
    "clock_error_s": "s",
    "dbc_left_out": "",
}
OWN_VALUES = frozenset(_OWN_UNITS)
HEALTH_VALUES = frozenset(_HEALTH_UNITS)
"""Names that conditions may use besides the car's channels: values of the drive, and of the recorder itself."""
VALUE_UNITS = _OWN_UNITS | _HEALTH_UNITS


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """One alarm as configured. `rearm` is the slack in the channel's unit; None means a share of the threshold."""

    name: str
    when: Condition
    qualified_by: Condition | None = None
    for_s: float = 0.0
    level: Level = "warn"
    message: str = ""
    rearm: float | None = None
    latch: bool = False


def merged(defaults: Iterable[AlarmRule], own: Iterable[AlarmRule]) -> tuple[AlarmRule, ...]:
    """Return the defaults, each replaced by the user's alarm of the same name, then the user's other alarms."""
    return tuple({rule.name: rule for rule in (*defaults, *own)}.values())


class Raised(NamedTuple):
    """One alarm that is on. `past` means that its condition no longer holds and it waits for acknowledgement."""

    name: str
    since_us: int
    acknowledged: bool
    past: bool


class Change(NamedTuple):
    """A change of an alarm's state: `what` is "raised", "acknowledged" or "cleared"."""

    what: str
    rule: AlarmRule


class Alarms:
    """The state of every alarm."""

    def __init__(self, rules: Sequence[AlarmRule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._pending: dict[str, int] = {}
        self._raised: dict[str, Raised] = {}
        used = [*(rule.when for rule in rules), *(rule.qualified_by for rule in rules if rule.qualified_by)]
        self.names = frozenset().union(*(condition.names for condition in used))
        """The channel and value names in all conditions."""

    def tick(self, at_us: int, values: Values) -> list[Change]:
        """Evaluate all conditions at `at_us`; return the changes."""
        changes = []
        for name, rule in self._rules.items():
            what = self._watch(rule, at_us, values, self._raised.get(name))
            if what:
                changes.append(Change(what, rule))
        return changes

    def acknowledge(self, name: str | None) -> list[Change]:
        """Acknowledge one alarm, or all of them if `name` is None."""
        changes = []
        for raised in list(self._raised.values()):
            if name in (None, raised.name) and not raised.acknowledged:
                changes.append(Change("acknowledged", self._rules[raised.name]))
                if raised.past:
                    del self._raised[raised.name]
                else:
                    self._raised[raised.name] = raised._replace(acknowledged=True)
        return changes

    def raised(self) -> list[tuple[AlarmRule, Raised]]:
        """Return the alarms that are on, sorted by unacknowledged, level and age."""
        urgency = {"critical": 0, "warn": 1, "info": 2}
        pairs = [(self._rules[name], raised) for name, raised in self._raised.items()]
        return sorted(
            pairs, key=lambda pair: (pair[1].acknowledged, urgency[pair[0].level], pair[1].since_us)
        )

    def knows(self, name: str) -> bool:
        """Return whether an alarm has this name."""
        return name in self._rules

    def state(self) -> tuple[Raised, ...]:
        """Return the state for `resume`."""
        return tuple(self._raised.values())

    def resume(self, state: Iterable[Raised]) -> None:
        """Restore the alarms that were on; drop those whose rule no longer exists."""
        self._raised = {raised.name: raised for raised in state if raised.name in self._rules}

    def _watch(self, rule: AlarmRule, at_us: int, values: Values, raised: Raised | None) -> str | None:
        holds = rule.when.holds(values, rule.rearm if raised and not raised.past else 0.0)
        if not holds and raised is None and not self._pending:
            return None  # the usual case, ten times per second
        qualified = rule.qualified_by.holds(values) if rule.qualified_by else True
        if raised is None or raised.past:
            return self._rise(rule, at_us, raised, holds=bool(holds and qualified))
        return self._fall(rule, raised) if holds is False or qualified is False else None

    def _rise(self, rule: AlarmRule, at_us: int, raised: Raised | None, *, holds: bool) -> str | None:
        if not holds:
            self._pending.pop(rule.name, None)
            return None
        if at_us - self._pending.setdefault(rule.name, at_us) < rule.for_s * 1e6:
            return None
        del self._pending[rule.name]
        self._raised[rule.name] = Raised(rule.name, at_us, acknowledged=False, past=False)
        return None if raised else "raised"

    def _fall(self, rule: AlarmRule, raised: Raised) -> str | None:
        if rule.latch and not raised.acknowledged:
            self._raised[rule.name] = raised._replace(past=True)
            return None
        del self._raised[rule.name]
        return "cleared"
