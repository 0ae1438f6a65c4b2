"""Alarms as files declare them, `stagelog.toml` and a rules file alike: each flaw at its key, and the rule to watch.

The grammar of their conditions is `conditions`, what becomes of a rule over time is `alarms`.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from firmware_bridge.errors import ConfigurationError
from logger.stage import conditions
from logger.stage.alarms import HEALTH_VALUES, OWN_VALUES, AlarmRule, Level
from logger.tomlconfig.schema import Flaw, empty, named, within


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as declared: raised when `when` has held for `for_s` seconds while `while_` held too.

    It clears when `when` fails with `rearm` to spare, in the channel's unit (None: 2 % of the number); with `latch`
    it stays in view until it is acknowledged as well. An empty `message` is made of name and condition.
    """

    name: str
    when: str
    while_: str = field(default="", metadata=named("while"))
    for_s: float = field(default=0.0, metadata=within(0, 3600))
    level: Level = "warn"
    message: str = ""
    rearm: float | None = field(default=None, metadata=within(0, 1_000_000))
    latch: bool = False

    def flaws(self) -> Iterable[Flaw]:
        yield from empty(("name", self.name), ("when", self.when))
        yield from self._faults(None)

    def rule(self) -> AlarmRule:
        """The alarm to watch. Raises ConfigurationError for conditions in which `flaws` finds something."""
        return AlarmRule(
            self.name,
            conditions.parse(self.when),
            conditions.parse(self.while_) if self.while_.strip() else None,
            self.for_s,
            self.level,
            self.message or f"{self.name}: {self.when}",
            self.rearm,
            self.latch,
        )

    def unheard(self, channels: Iterable[str]) -> list[Flaw]:
        """The names in its conditions that nothing in the car tells: `channels` are those of its engine."""
        if any(self._faults(None)):
            return []  # no conditions at all, and told as such
        return list(self._faults(OWN_VALUES | HEALTH_VALUES | {*channels}))

    def _faults(self, known: Set[str] | None) -> Iterable[Flaw]:
        for key, text in (("when", self.when), ("while", self.while_)):
            if text.strip():
                try:
                    conditions.parse(text, known)
                except ConfigurationError as error:
                    yield Flaw((key,), error.what, error.hint)
