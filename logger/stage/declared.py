"""The [[alarm]] table of configuration and rules files: validation, and conversion to a rule.

`conditions` parses the conditions; `alarms` evaluates the rules over time.
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

    It clears when `when` fails by more than `rearm`, in the channel's unit (None: 2 % of the threshold); with `latch`
    it also stays on until it is acknowledged. The default `message` is name and condition.
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
        """Return the alarm rule. Raises ConfigurationError if a condition has flaws."""
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

    def unknown_channels(self, channels: Iterable[str]) -> list[Flaw]:
        """Return the names in its conditions that no source provides; `channels`: the car's engine channels."""
        if any(self._faults(None)):
            return []  # `flaws` reports conditions that do not parse
        return list(self._faults(OWN_VALUES | HEALTH_VALUES | {*channels}))

    def _faults(self, known: Set[str] | None) -> Iterable[Flaw]:
        for key, text in (("when", self.when), ("while", self.while_)):
            if text.strip():
                try:
                    conditions.parse(text, known)
                except ConfigurationError as error:
                    yield Flaw((key,), error.what, error.hint)
