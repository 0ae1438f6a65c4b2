"""The itinerary of a stage as TOML: sections, waypoints and speed limits, with validation.

Plain values and the rules that a file must keep; the car's position plays no part. Everything works from
kilometres alone; coordinates, where an organiser gives them, improve it. The table of waypoint kinds holds
defaults: a value of the waypoint itself overrides them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import pairwise
from typing import Literal, NamedTuple

from logger.stage.file_role import require_role
from logger.tomlconfig import schema
from logger.tomlconfig.messages import nearest
from logger.tomlconfig.schema import Flaw, TomlFile, named, within

SectionKind = Literal["liaison", "selective", "neutralisation", "transfer"]

Opening = Literal["always", "near", "after_previous", "never"]
"""When the crew sees a waypoint: always; within `open_m` of it; after the previous one is validated (or within
`open_m` if that one was missed); never."""


class WaypointKind(NamedTuple):
    """Meaning and default radii of a kind of waypoint."""

    meaning: str
    opening: Opening
    open_m: float | None
    clear_m: float


# Radii from published rally regulations. Where two texts disagree (wps 30 or 90 m, wpp 20 or 90 m) the
# smaller one is used: a crew that satisfies the stricter text satisfies both. Kinds without a published radius
# validate at 90 m, as controls do.
WAYPOINT_KINDS: dict[str, WaypointKind] = {
    "dss": WaypointKind("start of the timed section", "always", None, 90),
    "ass": WaypointKind("finish of the timed section", "always", None, 90),
    "cp": WaypointKind("checkpoint", "always", None, 90),
    "tc": WaypointKind("time control", "always", None, 90),
    "dz": WaypointKind("start of a speed zone", "near", 1000, 90),
    "fz": WaypointKind("end of a speed zone", "near", 1000, 90),
    "dn": WaypointKind("start of a neutralisation", "always", None, 90),
    "fn": WaypointKind("end of a neutralisation", "always", None, 90),
    "dt": WaypointKind("start of a transfer", "always", None, 90),
    "ft": WaypointKind("end of a transfer", "always", None, 90),
    "wpv": WaypointKind("visible waypoint", "always", None, 200),
    "wpe": WaypointKind("eclipse waypoint", "after_previous", 1000, 90),
    "wpm": WaypointKind("masked waypoint", "near", 800, 90),
    "wps": WaypointKind("safety waypoint", "near", 1000, 30),
    "wpn": WaypointKind("navigation waypoint", "near", 800, 200),
    "wpc": WaypointKind("control waypoint", "never", None, 300),
    "wpp": WaypointKind("precise waypoint", "never", None, 20),
}

PAIRS = {"dz": "fz", "dn": "fn", "dt": "ft"}
"""Kinds of waypoint that begin a stretch of road, and the kinds that end it."""

SPLITS = frozenset({"cp", "ass"})
"""Kinds of waypoint where a timed section's time is taken."""

_TIMED_PAUSES = ("dn", "dt")

_SPEED = within(above=0, maximum=400)  # no rally vehicle is this fast: a larger number is a typing error
_RADIUS = within(above=0, maximum=20_000)


@dataclass(frozen=True, slots=True)
class Waypoint:
    """A point of the roadbook, `km` from the start of its section. Names and positions are optional.

    `to_beat_s` is a split time (seconds from the section's start) for the crew to compare with; `to_beat` names its
    owner.
    """

    km: float = field(metadata=within(0))
    kind: str
    name: str = ""
    lat: float | None = field(default=None, metadata=within(-90, 90))
    lon: float | None = field(default=None, metadata=within(-180, 180))
    speed_kmh: float | None = field(default=None, metadata=_SPEED)
    open_m: float | None = field(default=None, metadata=_RADIUS)
    clear_m: float | None = field(default=None, metadata=_RADIUS)
    time_s: float | None = field(default=None, metadata=within(0, 86_400))
    to_beat_s: float | None = field(default=None, metadata=within(above=0, maximum=172_800))
    to_beat: str = ""

    @property
    def opening_m(self) -> float | None:
        """Radius within which the crew sees it; None if its kind does not open by distance."""
        return self.open_m if self.open_m is not None else WAYPOINT_KINDS[self.kind].open_m

    @property
    def clearing_m(self) -> float:
        """Radius within which the car must pass to validate it."""
        return self.clear_m if self.clear_m is not None else WAYPOINT_KINDS[self.kind].clear_m

    @property
    def position(self) -> tuple[float, float] | None:
        return None if self.lat is None or self.lon is None else (self.lat, self.lon)

    def flaws(self) -> Iterable[Flaw]:
        if self.kind and self.kind not in WAYPOINT_KINDS:
            yield Flaw(("kind",), f'"{self.kind}" is not known', nearest(self.kind, WAYPOINT_KINDS))
        if (self.lat is None) != (self.lon is None):
            given, other = ("lat", "lon") if self.lon is None else ("lon", "lat")
            yield Flaw((given,), f"{given} without {other}", f"add {other}, or leave both out")
        if self.kind == "dz" and self.speed_kmh is None:
            yield Flaw(
                ("speed_kmh",), "missing: a dz begins a speed zone", "add speed_kmh = the zone's limit"
            )
        if self.kind in WAYPOINT_KINDS and self.kind != "dz" and self.speed_kmh is not None:
            yield Flaw(
                ("speed_kmh",), f"a {self.kind} has no speed", "write it at the dz that begins the zone"
            )
        if self.kind in WAYPOINT_KINDS and self.kind not in _TIMED_PAUSES and self.time_s is not None:
            yield Flaw(
                ("time_s",), f"a {self.kind} has no time", "write it at the dn or dt that begins the pause"
            )
        if self.kind in WAYPOINT_KINDS and self.kind not in SPLITS and self.to_beat_s is not None:
            yield Flaw(("to_beat_s",), f"no time is taken at a {self.kind}", "write it at a cp or at the ass")
        if self.to_beat and self.to_beat_s is None:
            yield Flaw(("to_beat",), "a name without a time", "add to_beat_s = the seconds, or leave it out")


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the day: liaison, selective, neutralisation or transfer. `start_utc`: this car's start time."""

    kind: SectionKind
    length_km: float = field(metadata=within(above=0, maximum=5000))
    name: str = ""
    target_min: float | None = field(default=None, metadata=within(above=0, maximum=2880))
    max_speed_kmh: float | None = field(default=None, metadata=_SPEED)
    start_utc: datetime | None = None
    waypoints: tuple[Waypoint, ...] = field(default=(), metadata=named("waypoint"))

    def flaws(self) -> Iterable[Flaw]:
        for index, (before, point) in enumerate(pairwise(self.waypoints), start=1):
            if point.km < before.km:
                what = f"{point.km} comes after {before.km}"
                yield Flaw(("waypoint", index, "km"), what, "write the waypoints in the order of the road")
        for index, point in enumerate(self.waypoints):
            if point.km > self.length_km:
                what = f"{point.km} is beyond the section's length_km = {self.length_km}"
                yield Flaw(("waypoint", index, "km"), what, "correct one of the two")
        yield from self._unbeatable()
        if all(
            point.kind in WAYPOINT_KINDS for point in self.waypoints
        ):  # a misspelt kind could be the partner
            for first, last in PAIRS.items():
                yield from self._unpaired(first, last)

    def _unbeatable(self) -> Iterable[Flaw]:
        last_s = 0.0
        for index, point in enumerate(self.waypoints):
            if point.to_beat_s is not None:
                if 0 < point.to_beat_s <= last_s:
                    what = f"{point.to_beat_s:g} s, but {last_s:g} s at the split before"
                    yield Flaw(("waypoint", index, "to_beat_s"), what, "write times from the section's start")
                last_s = point.to_beat_s

    def _unpaired(self, first: str, last: str) -> Iterable[Flaw]:
        open_index: int | None = None
        for index, point in enumerate(self.waypoints):
            if point.kind == first:
                if open_index is not None:
                    yield self._unclosed(open_index, first, last)
                open_index = index
            elif point.kind == last:
                if open_index is None:
                    what = f"this {last} has no {first} before it"
                    yield Flaw(("waypoint", index), what, f"add the {first}, or remove this {last}")
                open_index = None
        if open_index is not None:
            yield self._unclosed(open_index, first, last)

    @staticmethod
    def _unclosed(index: int, first: str, last: str) -> Flaw:
        what = f"this {first} has no {last} of its own"
        return Flaw(
            ("waypoint", index),
            what,
            f"add the {last} after it (at the same km as the next {first}, if necessary)",
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """Name, date and speed limit of the day; sections and zones may have lower limits."""

    name: str
    event: str = ""
    number: int | None = field(default=None, metadata=within(0, 999))
    date: date | None = None
    max_speed_kmh: float | None = field(default=None, metadata=_SPEED)


@dataclass(frozen=True, slots=True)
class Itinerary:
    """A whole day: the stage and its sections in driving order."""

    stage: Stage
    sections: tuple[Section, ...] = field(default=(), metadata=named("section"))

    def flaws(self) -> Iterable[Flaw]:
        if not self.sections:
            yield Flaw(("section",), "missing", "add a [[section]] table")


def load(text: str, name: str) -> Itinerary:
    """Parse an itinerary. Raises TomlError with every problem, by line and key of file `name`."""
    require_role(text, name, "itinerary")
    return TomlFile(text, name).build(Itinerary)


def dumps(itinerary: Itinerary) -> str:
    """Return the TOML text that `load` reads back as the same itinerary."""
    return schema.dumps(itinerary)
