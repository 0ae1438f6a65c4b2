"""Read the columns of a review page as its script does."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from logger.review.packing import UNKNOWN_8, UNKNOWN_16


def unpacked(packed: dict[str, Any]) -> NDArray[np.float64]:
    """The values of a column of `packing.column`."""
    if "values" in packed:
        values = np.append(packed["values"], np.full(UNKNOWN_8 + 1 - len(packed["values"]), np.nan))
        return np.asarray(values[np.frombuffer(base64.b64decode(packed["n"]), dtype="u1")])
    number = np.frombuffer(base64.b64decode(packed["n"]), dtype="<u2")
    return np.where(number == UNKNOWN_16, np.nan, packed["low"] + number * packed["step"])
