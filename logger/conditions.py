"""Conditions on the car's values as `stagelog.toml` declares them: alarms, and when the machine is to be switched off.

Their grammar is logger.stage.conditions; here is what can be wrong with them in a file, each flaw at its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Literal

from firmware_bridge.errors import ConfigurationError
from logger.stage import conditions
from logger.stage.alarms import HEALTH_VALUES, OWN_VALUES
from logger.tomlfile import Flaw, named, within


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
    level: Literal["info", "warn", "critical"] = "warn"
    message: str = ""
    rearm: float | None = field(default=None, metadata=within(0, 1_000_000))
    latch: bool = False

    def flaws(self) -> Iterable[Flaw]:
        yield from empty(("name", self.name), ("when", self.when))
        yield from self._faults(None)

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
                    yield Flaw((key,), error.what, error.mend)


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The machine is switched off when the car stands and `when` has held for `for_s` seconds without a break."""

    when: str
    for_s: float = field(default=30.0, metadata=within(5, 3600))

    @property
    def alarm(self) -> Alarm:
        """Its condition is written and judged as an alarm's."""
        return Alarm("shutdown", self.when, for_s=self.for_s)

    def flaws(self) -> Iterable[Flaw]:
        yield from self.alarm.flaws()


def empty(*texts: tuple[str, str]) -> Iterable[Flaw]:
    """The flaws of (key, text) pairs that say nothing."""
    for key, text in texts:
        if not text.strip():
            yield Flaw((key,), "empty", f"write {key} = text in quotes, or leave the table out")
