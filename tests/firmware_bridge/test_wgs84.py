"""Length of a degree in metres, against textbook values and logger.stage.geo; numpy stays unloaded."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from firmware_bridge.wgs84 import metres_per_degree
from logger.stage import geo
from tests.logger.command_line import ENVIRONMENT


@pytest.mark.parametrize(
    ("lat", "north_m", "east_m"),
    [(0, 110_574.3, 111_319.5), (45, 111_131.8, 78_846.8), (-45, 111_131.8, 78_846.8), (90, 111_693.9, 0)],
)
def test_textbook_values(lat: float, north_m: float, east_m: float) -> None:
    north, east = metres_per_degree(lat)
    assert (float(north), float(east)) == pytest.approx((north_m, east_m), abs=0.1)


def test_arrays_agree_with_the_distance_between_two_points() -> None:
    lats = np.arange(-89.0, 90.0, 1.0)
    norths, easts = metres_per_degree(lats)
    for lat, north_m, east_m in zip(lats.tolist(), norths.tolist(), easts.tolist(), strict=True):
        assert geo.distance_m(lat - 5e-4, 10, lat + 5e-4, 10) == pytest.approx(north_m / 1000, rel=1e-6)
        assert geo.distance_m(lat, 10, lat, 10.001) == pytest.approx(east_m / 1000, rel=1e-6)


def test_constants_need_no_numpy() -> None:
    result = subprocess.run(
        [sys.executable, "-c", "import sys, logger.stage.geo; print('numpy' in sys.modules)"],
        env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout == "False\n"
