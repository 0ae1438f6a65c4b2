"""A small curve of a figure over the stages, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

WIDTH, HEIGHT, MARGIN = 150.0, 30.0, 4.0
_DOT: Final = 2.2


def curve(values: Sequence[float | None], low: float, high: float) -> str:
    """The curve of a row of values on a scale from `low` to `high`; a value beyond is at the edge, None is a gap."""
    step = (WIDTH - 2 * MARGIN) / max(1, len(values) - 1)
    points = [
        None if value is None else (MARGIN + number * step, _height(value, low, high))
        for number, value in enumerate(values)
    ]
    path, is_gap = "", True
    for point in points:
        if point is not None:
            path += f"{'M' if is_gap else 'L'}{point[0]:.1f} {point[1]:.1f}"
        is_gap = point is None
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_DOT}"/>' for x, y in filter(None, points))
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" width="{WIDTH:g}" height="{HEIGHT:g}"'
        f' aria-hidden="true"><path d="{path}"/>{dots}</svg>'
    )


def _height(value: float, low: float, high: float) -> float:
    share = 0.5 if high <= low else (min(max(value, low), high) - low) / (high - low)
    return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)
