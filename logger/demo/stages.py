"""Built-in stages: itinerary, cars and their drives.

The TOML files in this package state which of their numbers are published and which are invented.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from pathlib import Path

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.virtual.drive import Drive
from firmware_bridge.virtual.traffic import DEMO_DBC
from logger.config.input_files import UnreadableError, read_text
from logger.demo import planning
from logger.demo.planning import Orders, Overspeed, Plan
from logger.stage.itinerary import Itinerary, load

STAGES = {"dakar-2026-11": "dakar_2026_11"}

BEFORE_SECTION_S, AFTER_SECTION_S = 120, 60
"""A drive of a single section begins and ends this long before and after it."""


@dataclass(frozen=True)
class CarPlan:
    """One car of a built-in stage: its crew and its orders. `key` is its short name."""

    key: str
    number: int
    name: str
    car_class: str
    crew: tuple[str, ...]
    orders: Orders


@dataclass(frozen=True)
class BuiltInStage:
    """A stage with its cars, the winner first. `dbc_text` describes the frames of the cars' engine bus."""

    name: str
    itinerary_text: str
    itinerary: Itinerary
    dbc_text: str
    cars: tuple[CarPlan, ...]

    def car(self, key: str) -> CarPlan:
        """Return the car with that short name or number. Raises ConfigurationError with the valid ones."""
        for car in self.cars:
            if key.lower() in (car.key, str(car.number)):
                return car
        names = ", ".join(car.key for car in self.cars)
        raise ConfigurationError(f'no car "{key}"', where=self.name, hint=f"choose one of {names}")


@cache
def stage(name: str) -> BuiltInStage:
    """Return the built-in stage of that name. Raises ConfigurationError with the valid names."""
    if name not in STAGES:
        raise ConfigurationError(f'no built-in stage "{name}"', hint=f"choose one of {', '.join(STAGES)}")
    itinerary_text = _text(f"{STAGES[name]}.toml")
    itinerary = load(itinerary_text, f"{STAGES[name]}.toml")
    return BuiltInStage(
        name, itinerary_text, itinerary, DEMO_DBC, _cars(f"{STAGES[name]}_cars.toml", itinerary)
    )


def find(name: str) -> BuiltInStage:
    """Return a built-in stage by its name, or a user's itinerary by its path, with one car that drives it.

    Raises ConfigurationError if it is neither, or the itinerary is invalid.
    """
    if name in STAGES:
        return stage(name)
    try:
        text = read_text(Path(name))
    except UnreadableError as error:
        hint = f"give the path of an itinerary, or one of {', '.join(STAGES)}"
        raise ConfigurationError(
            "neither a built-in stage nor a readable itinerary", where=name, hint=hint
        ) from error
    car = CarPlan("car", 1, "Virtual car", "", (), Orders())
    return BuiltInStage(Path(name).stem, text, load(text, name), DEMO_DBC, (car,))


def plan(built_in: BuiltInStage, car: CarPlan) -> Plan:
    """Return the car's whole day, with the ground truth of every waypoint."""
    return planning.plan(built_in.itinerary, car.orders)


def drive(built_in: BuiltInStage, car: CarPlan, section: int | None = None) -> Drive:
    """Return the car's drive: the whole day, or one section (from 0) with the minutes around it."""
    day = plan(built_in, car)
    return day.drive if section is None else section_drive(day, section)


def section_drive(day: Plan, section: int) -> Drive:
    """Return one section (from 0) of a planned day, with the minutes around it; its t_s begins at 0."""
    if not 0 <= section < len(day.sections):
        raise ConfigurationError(
            f"no section {section + 1} in the itinerary",
            where="--section",
            hint=f"it has {len(day.sections)} sections",
        )
    begins_s, ends_s = day.sections[section]
    from_s = max(0, int(begins_s) - BEFORE_SECTION_S)
    return day.drive.between(from_s, min(day.drive.end_s, int(ends_s) + AFTER_SECTION_S))


def _text(name: str) -> str:
    return files("logger.demo").joinpath(name).read_text(encoding="utf-8")


def _cars(name: str, itinerary: Itinerary) -> tuple[CarPlan, ...]:
    raw = tomllib.loads(_text(name))
    return tuple(
        CarPlan(
            key=car["key"],
            number=car["number"],
            name=car["name"],
            car_class=car["class"],
            crew=tuple(car["crew"]),
            orders=Orders(
                departs_utc_s=_utc_s(itinerary, car["departs"], raw["utc_offset_h"]),
                start_after_s=raw["stage_start_after_s"],
                elapsed_s={at: _seconds(elapsed) for at, elapsed in car["elapsed"].items()},
                overspeeds=tuple(Overspeed(**over) for over in car.get("overspeeds", ())),
                seed=car["number"],
            ),
        )
        for car in raw["car"]
    )


def _utc_s(itinerary: Itinerary, local: time, utc_offset_h: int) -> int:
    if itinerary.stage.date is None:
        raise ConfigurationError("a built-in stage needs a date", where=itinerary.stage.name)
    at = datetime.combine(itinerary.stage.date, local, UTC) - timedelta(hours=utc_offset_h)
    return int(at.timestamp())


def _seconds(elapsed: time) -> int:
    return elapsed.hour * 3600 + elapsed.minute * 60 + elapsed.second
