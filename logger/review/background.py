"""The map's background near a drive: shapes in metres, clipped, simplified and bounded in size.

Whatever a file holds, the page grows by at most half a megabyte. Shapes keep every bend that is wider than the grid
on which they are simplified; the grid is as fine as the size allows. What does not fit is left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from logger.judgement.evidence import Floats
from logger.judgement.plane import Plane
from logger.review.geojson import Positions, Shapes
from logger.review.packing import packed
from logger.review.paths import (
    Box,
    Paths,
    clipped_lines,
    clipped_rings,
    joined,
    simplified,
    simplified_size,
)

MAX_LINE_POINTS: Final = 30_000
MAX_AREA_POINTS: Final = 10_000
"""Together 430 kB of the page."""
MAX_PLACES: Final = 300
"""Named points: more would hide each other."""
MARGIN_M: Final = 5_000.0
"""At least this far around the drive the background is kept: the next track, village or mountain."""
MARGIN_SHARE: Final = 0.25
"""The same as a share of the drive's extent."""
FINEST_M: Final = 2.0
"""The grid of the simplification begins here, at the error of a fix."""
COARSEST_SHARE: Final = 1 / 500
"""A grid above this share of the extent would show; the smallest shapes are left out instead."""


def neighbourhood(east: Floats, north: Floats) -> Box | None:
    """The box around a drive, with its margin; None without a drive."""
    if not len(east):
        return None
    margin_m = max(MARGIN_M, MARGIN_SHARE * max(float(np.ptp(east)), float(np.ptp(north))))
    (west_m, east_m), (south_m, north_m) = ((float(a.min()), float(a.max())) for a in (east, north))
    return Box(west_m - margin_m, south_m - margin_m, east_m + margin_m, north_m + margin_m)


def background_document(shapes: Shapes, plane: Plane, box: Box) -> tuple[dict[str, Any], str]:
    """The shapes within a box as data of the page, and a remark on what is not shown, or ""."""
    lines = clipped_lines(joined(_paths(shapes.lines, plane), plane.turn_m), box)
    rings, is_near = clipped_rings(
        joined(_paths([ring for area in shapes.areas for ring in area], plane), plane.turn_m), box
    )
    area = np.repeat(np.arange(len(shapes.areas)), [len(rings) for rings in shapes.areas])[is_near]
    extent_m = max(box.east1 - box.east0, box.north1 - box.north0)
    lines, line_fits = _fitted(lines, extent_m, MAX_LINE_POINTS)
    rings, ring_fits = _fitted(rings, extent_m, MAX_AREA_POINTS)
    points = _paths([place.position[None] for place in shapes.places], plane).points
    places = [
        {"label": place.name, "e": east, "n": north}
        for place, (east, north) in zip(shapes.places, np.round(points, 1).tolist(), strict=True)
        if box.holds(east, north)
    ]
    places.sort(key=lambda place: not place["label"])
    left_out = len(places[MAX_PLACES:]) + sum(int(np.count_nonzero(~fits)) for fits in (line_fits, ring_fits))
    _, rings_of_area = np.unique(area[ring_fits], return_counts=True)
    document = {
        "lines": _packed(lines),
        "rings": _packed(rings) | {"areas": rings_of_area.tolist()},
        "places": places[:MAX_PLACES],
    }
    if not (len(lines.sizes) or len(rings.sizes) or places):
        return document, _why_empty(shapes, plane, box)
    faults = [(left_out, "small shapes that do not fit"), (shapes.unread, "shapes that cannot be read")]
    left = " and ".join(f"{count:,} {what}" for count, what in faults if count)
    return document, left and f"without {left}"


def _why_empty(shapes: Shapes, plane: Plane, box: Box) -> str:
    ends = [shape[:1] for shape in shapes.lines] + [ring[:1] for area in shapes.areas for ring in area]
    swapped = _paths(
        [end[:, ::-1] for end in [*ends, *(place.position[None] for place in shapes.places)]], plane
    )
    if any(box.holds(east, north) for east, north in swapped.points.tolist()):
        return "nothing in it is near the drive: GeoJSON has the longitude before the latitude"
    return "nothing in it is near the drive"


def _paths(shapes: Sequence[Positions], plane: Plane) -> Paths:
    if not shapes:
        return Paths(np.empty((0, 2)), np.empty(0, dtype=np.intp))
    return Paths(_metres(np.concatenate(shapes), plane), np.array([len(shape) for shape in shapes]))


def _metres(degrees: Positions, plane: Plane) -> Positions:
    return np.column_stack((plane.east(degrees[:, 0]), plane.north(degrees[:, 1])))


def _fitted(paths: Paths, extent_m: float, most: int) -> tuple[Paths, NDArray[np.bool_]]:
    """The paths, simplified until they have at most `most` points, and which of them do not have to be left out."""
    grid_m = FINEST_M
    while simplified_size(paths, grid_m) > most and grid_m < COARSEST_SHARE * extent_m:
        grid_m *= 2
    paths = simplified(paths, grid_m)
    largest = np.argsort(-paths.extents(), kind="stable")
    fits = np.zeros(len(paths.sizes), dtype=bool)
    fits[largest[np.cumsum(paths.sizes[largest]) <= most]] = True
    return paths.chosen(fits), fits


def _packed(paths: Paths) -> dict[str, Any]:
    return {"e": packed(paths.points[:, 0]), "n": packed(paths.points[:, 1]), "sizes": paths.sizes.tolist()}
