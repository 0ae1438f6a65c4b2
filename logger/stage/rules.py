"""Rally rules from a TOML file: speed limits of classes, over-speeds, penalties, default alarms.

`rules_default.toml` in this package holds the numbers of published regulations; each table of a user's rules file
replaces the default one. The penalty models are defined here and computed in the review; live, an over-speed
is only an event.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from logger.stage.alarms import AlarmRule
from logger.stage.declared import Alarm
from logger.stage.file_role import require_role
from logger.tomlconfig.schema import Flaw, TomlFile, named, within


@dataclass(frozen=True, slots=True)
class ClassLimit:
    """The speed limit of a class of cars."""

    name: str
    max_speed_kmh: float = field(metadata=within(above=0, maximum=400))


@dataclass(frozen=True, slots=True)
class SpeedRules:
    """When a limit is announced, and what counts as an over-speed.

    An over-speed begins above limit + `tolerance_kmh` and ends at the limit. Its first impulse is at its start;
    the next ones follow every `impulse_s` or `impulse_m`, whichever comes first.
    """

    approach_m: float = field(default=1000.0, metadata=within(0, 20_000))
    warn_within_kmh: float = field(default=2.0, metadata=within(0, 50))
    tolerance_kmh: float = field(default=1.0, metadata=within(0, 50))
    impulse_s: float = field(default=10.0, metadata=within(above=0, maximum=600))
    impulse_m: float = field(default=150.0, metadata=within(above=0, maximum=10_000))


@dataclass(frozen=True, slots=True)
class Band:
    """Penalty of `penalty_s` per impulse for an excess of at most `over_kmh`; None: no upper end (the last band)."""

    penalty_s: float = field(metadata=within(0, 864_000))
    over_kmh: float | None = field(default=None, metadata=within(above=0, maximum=400))


@dataclass(frozen=True, slots=True)
class Penalties:
    """The penalty model that the review applies, and the parameters of all models."""

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
                what = "bands are not in ascending order"
                yield Flaw(("band", index), what, "sort them by over_kmh, the one without over_kmh last")


@dataclass(frozen=True, slots=True)
class Missed:
    """Penalty for a missed waypoint by kind; `default_s` for the other kinds."""

    default_s: float = field(default=900.0, metadata=within(0, 864_000))
    wpn_s: float = field(default=3600.0, metadata=within(0, 864_000))
    wpp_s: float = field(default=120.0, metadata=within(0, 864_000))
    least_share: float = field(default=0.7, metadata=within(0, 1))


@dataclass(frozen=True, slots=True)
class NotFinished:
    """Penalty for a timed section that was not finished, on top of its maximum time."""

    penalty_s: float = field(default=36_000.0, metadata=within(0, 8_640_000))


@dataclass(frozen=True, slots=True)
class Rules:
    """The contents of a rules file."""

    name: str = ""
    classes: tuple[ClassLimit, ...] = field(default=(), metadata=named("class"))
    speed: SpeedRules = SpeedRules()
    penalties: Penalties = Penalties()
    missed: Missed = Missed()
    not_finished: NotFinished = NotFinished()
    declared: tuple[Alarm, ...] = field(default=(), metadata=named("alarm"))

    @property
    def alarms(self) -> tuple[AlarmRule, ...]:
        """The default alarms, which a configuration may override."""
        return tuple(alarm.rule() for alarm in self.declared)

    def class_limit_kmh(self, class_name: str | None) -> float | None:
        """Return the limit of a class, ignoring case; None for a class that the rules do not list."""
        folded = (class_name or "").casefold()
        return next((entry.max_speed_kmh for entry in self.classes if entry.name.casefold() == folded), None)


def load(text: str, name: str) -> Rules:
    """Parse rules. Each table in the text replaces the default one, each alarm the default alarm of the same name.

    Raises TomlError with every problem, by line and key of the file `name`.
    """
    require_role(text, name, "rules")
    own, defaults = TomlFile(text, name).build(Rules), default_rules()
    kept = {
        field.name: getattr(defaults, field.name)
        for field in dataclasses.fields(Rules)
        if getattr(own, field.name) == field.default
    }
    alarms = {alarm.name: alarm for alarm in (*defaults.declared, *own.declared)}
    return dataclasses.replace(own, **kept | {"name": own.name or name, "declared": tuple(alarms.values())})


@cache
def default_rules() -> Rules:
    """Return the rules in `rules_default.toml`."""
    file = Path(__file__).with_name("rules_default.toml")
    return TomlFile(file.read_text(encoding="utf-8"), file.name).build(Rules)
