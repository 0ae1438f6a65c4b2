"""Convert the distances of a route file, with their resets, into continuous kilometres.

Written distances have priority. A missing one is measured along the route's line, or without a line as the straight
distance between the points.
"""

from __future__ import annotations

from logger.stage import geo
from logger.stage.openrally.elements import Note
from logger.stage.openrally.lint import Remark

SMALLEST_STEP_BACK_KM = 0.0005
"""A smaller step back is a rounding error."""
RESTART_FRACTION = 0.5
"""A distance below this share of the previous one is an unwritten reset; one above it is a mistake."""


class Odometer:
    """Distance from the start of the route. `line_length_m`: the length of its line if all is measured along it."""

    def __init__(self, remarks: list[Remark], line_length_m: float | None = None) -> None:
        self._remarks = remarks
        self._total_km = 0.0
        self._origin_km = 0.0
        """The route kilometre from which the written distances now count."""
        self._position: tuple[float, float] | None = None
        self._line_length_m = line_length_m
        self._line: tuple[float, float] | None = None if line_length_m is None else (0.0, 0.0)
        """The last position on the line: metres along it, and the route kilometre there."""
        self._measured: list[int] = []
        self._estimated: list[int] = []

    def at(self, note: Note) -> float:
        """Return the route kilometre of the next point."""
        position = None if note.lat is None or note.lon is None else (note.lat, note.lon)
        straight_km = 0.0
        if position is not None and self._position is not None:
            straight_km = geo.distance_m(*self._position, *position) / 1000
        if note.km is not None:
            self._total_km = self._stated(note, note.km, straight_km)
        elif note.line_m is not None and self._line is not None:
            self._measured.append(note.line)
            line_m, line_km = self._line
            self._total_km = max(self._total_km, line_km + (note.line_m - line_m) / 1000)
        else:
            self._estimated.append(note.line)
            self._total_km += straight_km
        if note.reset_km is not None:
            self._origin_km = self._total_km - note.reset_km
        self._position = position or self._position
        if note.line_m is not None:
            self._line = (note.line_m, self._total_km)
        return self._total_km

    def _stated(self, note: Note, km: float, straight_km: float) -> float:
        before_km = self._total_km - self._origin_km
        if km >= before_km - SMALLEST_STEP_BACK_KM:
            return max(self._total_km, self._origin_km + km)
        if note.reset_km is not None:
            what = f"the distance {km:.6g} of a reset counts from the reset itself: the road to it is measured straight"
            self._remarks.append(Remark(note.line, what))
            return self._total_km + straight_km
        back = f"the distance goes back from {before_km:.6g} to {km:.6g} km without a reset"
        if km < before_km * RESTART_FRACTION:
            self._remarks.append(Remark(note.line, f"{back}: treated as a reset"))
            self._origin_km = self._total_km
            return self._total_km + km
        self._remarks.append(Remark(note.line, f"{back}: the previous distance is kept"))
        return self._total_km

    def finish(self, whole_km: float | None) -> float:
        """Return the length of the route; `whole_km`: the length that the file states."""
        for lines, how in (
            (self._measured, "measured along the line of the route"),
            (self._estimated, "measured in straight lines, the road is longer"),
        ):
            if lines:
                self._remarks.append(Remark(lines[0], f"{len(lines)} points without a distance: {how}"))
        if whole_km is not None and whole_km < self._total_km - SMALLEST_STEP_BACK_KM:
            what = f"the file states {whole_km:.6g} km in total, its points reach {self._total_km:.6g} km"
            self._remarks.append(Remark(None, what))
        if self._line_length_m is not None and self._line is not None:
            line_m, line_km = self._line
            self._total_km = max(self._total_km, line_km + (self._line_length_m - line_m) / 1000)
        return max(self._total_km, whole_km or 0.0)
