"""WGS 84 ellipsoid: constants, and the length of a degree.

Used by the virtual car, by `logger.stage.geo` and by the review's drawings. The recorder needs only the constants, so
numpy is imported only for arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

# The defining constants (NIMA TR8350.2) and derived ones.
SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
SEMI_MINOR_M = SEMI_MAJOR_M * (1 - FLATTENING)
ECCENTRICITY_2 = FLATTENING * (2 - FLATTENING)


def metres_per_degree(lat_deg: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the metres per degree of latitude and of longitude at `lat_deg`."""
    import numpy as np  # noqa: PLC0415 - not for the recorder

    lat = np.radians(np.asarray(lat_deg, dtype=np.float64))
    sine = np.sin(lat)
    w2 = 1.0 - ECCENTRICITY_2 * sine * sine
    w = np.sqrt(w2)
    degree_m = np.radians(SEMI_MAJOR_M) / w
    return degree_m * (1.0 - ECCENTRICITY_2) / w2, degree_m * np.cos(lat)
