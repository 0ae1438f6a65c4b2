"""The driver's states on the map can be told apart by everybody, in both themes."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

STATES = ("throttle", "brake", "both", "coasting", "gap")
LEAST_DISTANCE = 20.0
"""In CIE Lab; about ten times what two adjacent patches need."""
# Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
SIGHT = {
    "full": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
XYZ_OF_RGB = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)  # sRGB, D65
WHITE = np.array([0.9505, 1.0, 1.089])


def linear(colour: str) -> NDArray[np.float64]:
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value > 0.04045, ((value + 0.055) / 1.055) ** 2.4, value / 12.92)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    xyz = XYZ_OF_RGB @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_states_of_the_driver_differ(theme: int, sight: str) -> None:
    style = files("logger.review").joinpath("page/style.css").read_text(encoding="utf-8")
    seen = {name: re.findall(rf"--{name}: (#[0-9a-f]{{6}})", style)[theme] for name in STATES}
    for first, second in combinations(STATES, 2):
        distance = np.linalg.norm(
            lab(SIGHT[sight] @ linear(seen[first])) - lab(SIGHT[sight] @ linear(seen[second]))
        )
        assert distance > LEAST_DISTANCE, (first, second)
