"""Encode columns of numbers for the page's script, compactly: base64 of 32-bit floats, or of 8 or 16 bits."""

from __future__ import annotations

import base64
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from logger.judgement.evidence import Floats

MAX_DISTINCT: Final = 255
"""A column with at most so many values is packed in 8 bits: gears, temperatures in whole degrees, most CAN signals."""
UNKNOWN_8, UNKNOWN_16 = 255, 65_535
"""The number of an unknown value."""


def packed(values: Floats) -> str:
    """Encode numbers for the script: 32-bit floats, little-endian, base64."""
    with np.errstate(over="ignore"):  # a signal may hold any double; beyond a float's range it is unknown
        return _base64(np.asarray(values, dtype="<f4"))


def column(values: ArrayLike) -> dict[str, Any]:
    """Pack numbers in 8 bits, as numbers of `values`, or else in 16 bits, little-endian, as steps: `low + step * n`.

    nan is UNKNOWN. The 8 bits keep seven digits; a step is 1/65,534 of the range, and 1 for whole numbers.
    """
    numbers: Floats = np.asarray(values, dtype=np.float64)
    known = np.isfinite(numbers)
    found, index = np.unique(numbers[known], return_inverse=True)
    if len(found) <= MAX_DISTINCT:
        number = np.full(len(numbers), UNKNOWN_8, dtype="u1")
        number[known] = index
        return {"values": [float(f"{value:.7g}") for value in found.tolist()], "n": _base64(number)}
    low, span = float(found[0]), float(found[-1] - found[0])
    is_whole = span < UNKNOWN_16 and bool((found == np.round(found)).all())
    step = 1.0 if is_whole else span / (UNKNOWN_16 - 1)
    number = np.full(len(numbers), UNKNOWN_16, dtype="<u2")
    number[known] = np.round((numbers[known] - low) / step)
    return {"low": low, "step": step, "n": _base64(number)}


def _base64(numbers: NDArray[Any]) -> str:
    return base64.b64encode(numbers.tobytes()).decode("ascii")
