"""Encode columns of numbers for the page's script, compactly: base64 of 32-bit floats, or of 16-bit steps."""

from __future__ import annotations

import base64
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from logger.review.evidence import Floats

UNKNOWN: Final = 65_535
"""The step of an unknown value."""


def packed(values: Floats) -> str:
    """Encode numbers for the script: 32-bit floats, little-endian, base64."""
    with np.errstate(
        over="ignore"
    ):  # a signal may hold any double; beyond a float's range it is unknown here
        return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode("ascii")


def steps(values: ArrayLike) -> dict[str, Any]:
    """Pack numbers as `low + step * n`, n in 16 bits, little-endian, base64; n is UNKNOWN for nan.

    Whole numbers come back exactly; others within half a step, 1/131,068 of their range.
    """
    numbers: Floats = np.asarray(values, dtype=np.float64)
    known = np.isfinite(numbers)
    low = float(numbers[known].min()) if known.any() else 0.0
    span = float(numbers[known].max()) - low if known.any() else 0.0
    step = span / (UNKNOWN - 1)
    if span < UNKNOWN and (numbers[known] == np.round(numbers[known])).all():
        step = 1.0
    number = np.full(len(numbers), UNKNOWN, dtype="<u2")
    number[known] = np.round((numbers[known] - low) / step) if step > 0 else 0
    return {"low": low, "step": step, "n": base64.b64encode(number.tobytes()).decode("ascii")}
