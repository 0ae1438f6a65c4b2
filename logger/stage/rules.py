"""The numbers that regulations and crews argue about, from a TOML file: limits, free areas, penalties, alarms.

`rules_default.toml` beside this module is what published texts say; a rules file of one's own replaces what
it states, table by table. The penalty models are carried here for the review, which computes them: live, an
over-speed is an event and not yet a sentence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Literal

from logger.stage.alarms import AlarmRule
from logger.stage.declared import Alarm
from logger.tomlconfig.schema import Flaw, TomlFile, named, within


@dataclass(frozen=True, slots=True)
class ClassLimit:
    """The speed that a class of cars must never exceed."""

    name: str
    max_speed_kmh: float = field(metadata=within(above=0, most=400))


@dataclass(frozen=True, slots=True)
class SpeedRules:
    """How limits are announced, and what an over-speed is.

    An over-speed begins above limit + `tolerance_kmh` and ends at the limit. Its impulses come every
    `impulse_s` or `impulse_m`, whichever is first, beginning with its start.
    """

    approach_m: float = field(default=1000.0, metadata=within(0, 20_000))
    warn_within_kmh: float = field(default=2.0, metadata=within(0, 50))
    tolerance_kmh: float = field(default=1.0, metadata=within(0, 50))
    impulse_s: float = field(default=10.0, metadata=within(above=0, most=600))
    impulse_m: float = field(default=150.0, metadata=within(above=0, most=10_000))


@dataclass(frozen=True, slots=True)
class Band:
    """Over the limit by at most `over_kmh` costs `penalty_s` an impulse; the last band has no upper end."""

    penalty_s: float = field(metadata=within(0, 864_000))
    over_kmh: float | None = field(default=None, metadata=within(above=0, most=400))


@dataclass(frozen=True, slots=True)
class Penalties:
    """Which model of penalties the review applies, and the numbers of each."""

    model: Literal["bands", "rallysafe", "rallycheck", "over_time"] = "bands"
    bands: tuple[Band, ...] = field(default=(), metadata=named("band"))
    repeat_from: int = field(default=4, metadata=within(1, 100))
    repeat_penalty_s: float = field(default=600.0, metadata=within(0, 864_000))
    rallysafe_factor: float = field(default=10.0, metadata=within(0, 1000))
    rallycheck_share: float = field(default=0.10, metadata=within(0, 1))
    rallycheck_s: float = field(default=5.0, metadata=within(0, 600))
    over_time_factor: float = field(default=1.0, metadata=within(0, 1000))
    over_time_merge_s: float = field(default=5.0, metadata=within(0, 600))

    def flaws(self) -> Iterable[Flaw]:
        bounds = [band.over_kmh for band in self.bands]
        for index, bound in enumerate(bounds[:-1]):
            following = bounds[index + 1]
            if bound is None or (following is not None and following <= bound):
                what = "bands do not ascend"
                yield Flaw(("band", index), what, "write them from the least over_kmh to the one without any")


@dataclass(frozen=True, slots=True)
class Missed:
    """What a waypoint that was not validated costs, by kind; `default_s` for kinds that are not named."""

    default_s: float = field(default=900.0, metadata=within(0, 864_000))
    wpn_s: float = field(default=3600.0, metadata=within(0, 864_000))
    wpp_s: float = field(default=120.0, metadata=within(0, 864_000))
    least_share: float = field(default=0.7, metadata=within(0, 1))


@dataclass(frozen=True, slots=True)
class NotFinished:
    """What a timed section that was not finished costs on top of its maximum time."""

    penalty_s: float = field(default=36_000.0, metadata=within(0, 8_640_000))


@dataclass(frozen=True, slots=True)
class Rules:
    """A rules file."""

    name: str = ""
    classes: tuple[ClassLimit, ...] = field(default=(), metadata=named("class"))
    speed: SpeedRules = SpeedRules()
    penalties: Penalties = Penalties()
    missed: Missed = Missed()
    not_finished: NotFinished = NotFinished()
    declared: tuple[Alarm, ...] = field(default=(), metadata=named("alarm"))

    @property
    def alarms(self) -> tuple[AlarmRule, ...]:
        """The alarms that every car has unless it overrides them."""
        return tuple(alarm.rule() for alarm in self.declared)

    def class_limit_kmh(self, class_name: str | None) -> float | None:
        """The limit of a class, written in any case; None for a class that the rules do not name."""
        wanted = (class_name or "").casefold()
        return next((entry.max_speed_kmh for entry in self.classes if entry.name.casefold() == wanted), None)


def load(text: str, name: str) -> Rules:
    """The rules in a TOML text: each table that it states replaces stagelog's own, an alarm that of its name.

    Raises TomlError with every problem, by line and key of the file `name`.
    """
    own, brought = TomlFile(text, name).build(Rules), default_rules()
    kept = {
        field.name: getattr(brought, field.name)
        for field in dataclasses.fields(Rules)
        if getattr(own, field.name) == field.default
    }
    alarms = {alarm.name: alarm for alarm in (*brought.declared, *own.declared)}
    return dataclasses.replace(own, **kept | {"name": own.name or name, "declared": tuple(alarms.values())})


@cache
def default_rules() -> Rules:
    """The rules that stagelog brings."""
    file = resources.files(__package__).joinpath("rules_default.toml")
    return TomlFile(file.read_text(encoding="utf-8"), file.name).build(Rules)
