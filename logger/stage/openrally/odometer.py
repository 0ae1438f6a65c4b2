"""Unwind the distances of a route file into one running odometer.

Written distances count, over all their resets. Where one is missing the way along the route's line counts, and without
a line the straight way between the points.
"""

from __future__ import annotations

from logger.stage import geo
from logger.stage.openrally.elements import Note
from logger.stage.openrally.lint import Remark

SMALLEST_STEP_BACK_KM = 0.0005
"""Less is rounding."""
RESTART_FRACTION = 0.5
"""A distance below half of the one before is a reset that was not written; one above it is a mistake."""


class Odometer:
    """The distance from the start of the file. `line_length_m` is that of its line where all is measured along it."""

    def __init__(self, remarks: list[Remark], line_length_m: float | None = None) -> None:
        self._remarks = remarks
        self._total_km = 0.0
        self._origin_km = 0.0
        """Where on the route the written distances now count from."""
        self._position: tuple[float, float] | None = None
        self._line_length_m = line_length_m
        self._line: tuple[float, float] | None = None if line_length_m is None else (0.0, 0.0)
        """The last place on the line: metres along it, and the route kilometre there."""
        self._measured: list[int] = []
        self._estimated: list[int] = []

    def at(self, note: Note) -> float:
        """The route kilometre of the next point."""
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
            what = f"the distance {km:.6g} of a reset counts from itself: the road to it is taken as straight"
            self._remarks.append(Remark(note.line, what))
            return self._total_km + straight_km
        back = f"the distance goes back from {before_km:.6g} to {km:.6g} km without a reset"
        if km < before_km * RESTART_FRACTION:
            self._remarks.append(Remark(note.line, f"{back}: taken to start again"))
            self._origin_km = self._total_km
            return self._total_km + km
        self._remarks.append(Remark(note.line, f"{back}: kept at the former"))
        return self._total_km

    def finish(self, whole_km: float | None) -> float:
        """The length of the route, where the file says that it has `whole_km`."""
        for lines, how in (
            (self._measured, "measured along the line of the route"),
            (self._estimated, "straight lines measured, the road is longer"),
        ):
            if lines:
                self._remarks.append(Remark(lines[0], f"distance of {len(lines)} points not written: {how}"))
        if whole_km is not None and whole_km < self._total_km - SMALLEST_STEP_BACK_KM:
            what = f"the file says {whole_km:.6g} km in all, its points reach {self._total_km:.6g} km"
            self._remarks.append(Remark(None, what))
        if self._line_length_m is not None and self._line is not None:
            line_m, line_km = self._line
            self._total_km = max(self._total_km, line_km + (self._line_length_m - line_m) / 1000)
        return max(self._total_km, whole_km or 0.0)
