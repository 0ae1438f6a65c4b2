"""A section prepared for the drive: marks in order with defaults, speed zones, start and end.

A mark is a waypoint with its defaults filled in, in metres. A section without an end waypoint (no `ass`, no last
`tc`) gets an end mark at its length, so that everything works from kilometres alone.
"""

from __future__ import annotations

from typing import NamedTuple

from logger.stage.itinerary import SPLITS, WAYPOINT_KINDS, Opening, Section

END = "end"
"""The kind of the mark at a section's length where no waypoint ends it."""
_STARTS = {"selective": "dss", "neutralisation": "dn", "transfer": "dt"}
_ENDS = {"selective": "ass", "neutralisation": "fn", "transfer": "ft", "liaison": "tc"}
_PAUSES = frozenset({"dn", "fn", "dt", "ft"})
CONTROLS = frozenset({"dss", "ass", "cp", "tc"})
"""Kinds of waypoint where officials write down times."""


class Mark(NamedTuple):
    """A waypoint. `metres` is the roadbook distance from the section's start; `open_m` 0: not opened by distance."""

    order: int
    kind: str
    name: str
    metres: float
    position: tuple[float, float] | None
    opening: Opening
    open_m: float
    clear_m: float
    pause_us: int | None

    @property
    def label(self) -> str:
        """Its name, or else its kind and kilometre."""
        return self.name or f"{self.kind.upper()} {self.metres / 1000:.2f}"


class ToBeat(NamedTuple):
    """A time to compare with at a split, in seconds since the section's start, and whose it is (may be empty)."""

    seconds: float
    who: str


class Zone(NamedTuple):
    """A speed control zone."""

    begin: Mark
    end: Mark
    kmh: float


class Course:
    """One section. `start`: the mark that starts it, if any; `end`: the index of the mark that ends it."""

    def __init__(self, section: Section) -> None:
        self.section = section
        self.length_m = section.length_km * 1000
        marks = [
            Mark(
                index,
                point.kind,
                point.name,
                point.km * 1000,
                point.position,
                WAYPOINT_KINDS[point.kind].opening,
                point.opening_m or 0.0,
                point.clearing_m,
                None if point.time_s is None else round(point.time_s * 1e6),
            )
            for index, point in enumerate(section.waypoints)
        ]
        ends = [mark.order for mark in marks if mark.kind == _ENDS[section.kind]]
        if section.kind == "liaison" and ends and ends[-1] != len(marks) - 1:
            ends = []  # a time control on the way does not end the section
        if not ends:
            ends = [len(marks)]
            marks.append(Mark(ends[0], END, "", self.length_m, None, "never", 0.0, 0.0, None))
        self.marks = tuple(marks)
        self.pause_marks = tuple(mark for mark in marks if mark.kind in _PAUSES)
        """Where neutralisations and transfers begin and end: few of a section's hundred marks."""
        self.end = ends[-1]
        first = marks[0]
        self.start = first if first.kind == _STARTS.get(section.kind) and first.order != self.end else None
        self.target_us = None if section.target_min is None else round(section.target_min * 60e6)
        start_utc = section.start_utc
        self.start_utc_us = None if start_utc is None else round(start_utc.timestamp() * 1e6)
        self.zones = tuple(self._zones(section))
        self.to_beat = {
            (mark.label, mark.metres / 1000): ToBeat(point.to_beat_s, point.to_beat)
            for mark, point in zip(marks, section.waypoints, strict=False)
            if mark.kind in SPLITS and point.to_beat_s is not None
        }
        """Keyed by the name and kilometre of a split."""

    @property
    def timed(self) -> bool:
        """Whether its time counts in the result."""
        return self.section.kind == "selective"

    def _zones(self, section: Section) -> list[Zone]:
        """Return the zones in order of their beginnings. An `fz` ends the last zone that is still open; a `dz` for
        which no `fz` is left (a change of limit within a zone) ends with the next `fz`, or with the section."""
        ends: dict[int, Mark] = {}
        begun: list[int] = []
        for mark in self.marks:
            if mark.kind == "dz":
                begun.append(mark.order)
            elif mark.kind == "fz" and begun:
                ends[begun.pop()] = mark
        zones = []
        for mark, point in zip(self.marks, section.waypoints, strict=False):
            if mark.kind == "dz" and point.speed_kmh is not None:
                following = (after for after in self.marks[mark.order + 1 :] if after.kind == "fz")
                end = ends.get(mark.order) or next(following, self.marks[-1])
                zones.append(Zone(mark, end, point.speed_kmh))
        return zones
