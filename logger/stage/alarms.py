"""Alarms: conditions watched over time, raised, acknowledged, cleared and armed again.

An alarm is raised when its `when` has held for `for_s` without a break while its `while` held too (a low
voltage means nothing with the engine off). It clears when `when` fails with some slack to spare, so that a
value at the limit does not ring twice, or when `while` fails. Silence of a channel neither raises nor clears:
not knowing is no news, and GPS or CAN going silent has alarms of its own. A latched alarm stays in view until
it has been acknowledged as well. Times are drive time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from logger.stage.conditions import Condition, Values

Level = Literal["info", "warn", "critical"]

OWN_VALUES = frozenset({"speed_kmh", "over_kmh", "gps_age_s", "gps_speed_age_s"})
HEALTH_VALUES = frozenset(
    {"can_age_s", "writer_lag_s", "disk_free_mb", "disk_room_h", "clock_error_s", "dbc_left_out"}
)
"""What alarms may ask for beside the car's channels: of the drive, and of the recorder itself."""


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """One alarm as configured. `rearm` is the slack in the channel's unit, None for a share of the number."""

    name: str
    when: Condition
    qualified_by: Condition | None = None
    for_s: float = 0.0
    level: Level = "warn"
    message: str = ""
    rearm: float | None = None
    latch: bool = False


def merged(defaults: Iterable[AlarmRule], own: Iterable[AlarmRule]) -> tuple[AlarmRule, ...]:
    """The defaults, each replaced by the user's own alarm of the same name, and the user's others after them."""
    return tuple({rule.name: rule for rule in (*defaults, *own)}.values())


class Raised(NamedTuple):
    """One alarm that is on. `past` means that its cause has gone and only the acknowledgement is awaited."""

    name: str
    since_us: int
    acknowledged: bool
    past: bool


class Change(NamedTuple):
    """What happened to an alarm: "raised", "acknowledged", "cleared"."""

    what: str
    rule: AlarmRule


class Alarms:
    """The state of every alarm."""

    def __init__(self, rules: Sequence[AlarmRule]) -> None:
        self._rules = {rule.name: rule for rule in rules}
        self._pending: dict[str, int] = {}
        self._raised: dict[str, Raised] = {}

    def tick(self, at_us: int, values: Values) -> list[Change]:
        """Look at all conditions at a moment; returns what changed."""
        changes = []
        for name, rule in self._rules.items():
            what = self._watch(rule, at_us, values, self._raised.get(name))
            if what:
                changes.append(Change(what, rule))
        return changes

    def acknowledge(self, name: str | None) -> list[Change]:
        """The crew has seen one alarm, or with None all of them."""
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
        """The alarms that are on, the unacknowledged and the grave first."""
        urgency = {"critical": 0, "warn": 1, "info": 2}
        pairs = [(self._rules[name], raised) for name, raised in self._raised.items()]
        return sorted(
            pairs, key=lambda pair: (pair[1].acknowledged, urgency[pair[0].level], pair[1].since_us)
        )

    @property
    def asks_for(self) -> frozenset[str]:
        """The names in all conditions."""
        rules = self._rules.values()
        conditions = [rule.when for rule in rules] + [
            rule.qualified_by for rule in rules if rule.qualified_by
        ]
        return frozenset().union(*(condition.names for condition in conditions))

    def knows(self, name: str) -> bool:
        """Whether there is an alarm of this name."""
        return name in self._rules

    def state(self) -> tuple[Raised, ...]:
        """What `resume` needs."""
        return tuple(self._raised.values())

    def resume(self, state: Iterable[Raised]) -> None:
        """Alarms that were on stay on, acknowledged or not; rules that are gone are forgotten."""
        self._raised = {raised.name: raised for raised in state if raised.name in self._rules}

    def _watch(self, rule: AlarmRule, at_us: int, values: Values, raised: Raised | None) -> str | None:
        holds = rule.when.holds(values, rule.rearm if raised and not raised.past else 0.0)
        if not holds and raised is None and not self._pending:
            return None  # as it is nearly always, ten times a second
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
