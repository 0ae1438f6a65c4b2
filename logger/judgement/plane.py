"""Local projection of a drive: metres east and north of its middle."""

from __future__ import annotations

import numpy as np

from firmware_bridge.wgs84 import metres_per_degree
from logger.judgement.evidence import Floats


class Plane:
    """Local east/north projection around the middle of a drive, accurate enough for a few hundred kilometres."""

    def __init__(self, lat: Floats, lon: Floats) -> None:
        known = len(lat) > 0
        self._lat = float(np.mean(lat)) if known else 0.0
        self._lon = float(lon[0]) if known else 0.0
        self._per_lat, self._per_lon = (float(metres) for metres in metres_per_degree(self._lat))

    def east(self, lon: Floats | float) -> Floats:
        """Metres east; crosses the antimeridian the shorter way."""
        return np.asarray(((np.asarray(lon) - self._lon + 180) % 360 - 180) * self._per_lon)

    def north(self, lat: Floats | float) -> Floats:
        """Metres north."""
        return np.asarray((np.asarray(lat) - self._lat) * self._per_lat)

    @property
    def turn_m(self) -> float:
        """Metres east once around the world, at the latitude of the drive."""
        return 360 * self._per_lon
