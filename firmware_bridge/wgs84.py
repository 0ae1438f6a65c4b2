"""The ellipsoid that receivers measure on: WGS 84, its constants and how long a degree of it is.

Whoever needs geometry starts from here: the virtual car, the rally's own `geo`, the review's drawings. The recorder
takes the constants and no more, so numpy is fetched only where there are arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

# The defining constants (NIMA TR8350.2) and what follows from them.
SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
SEMI_MINOR_M = SEMI_MAJOR_M * (1 - FLATTENING)
ECCENTRICITY_2 = FLATTENING * (2 - FLATTENING)


def metres_per_degree(lat_deg: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Metres to a degree of latitude and of longitude at `lat_deg`."""
    import numpy as np  # noqa: PLC0415 - not for the recorder

    lat = np.radians(np.asarray(lat_deg, dtype=np.float64))
    sine = np.sin(lat)
    w2 = 1.0 - ECCENTRICITY_2 * sine * sine
    w = np.sqrt(w2)
    degree_m = np.radians(SEMI_MAJOR_M) / w
    return degree_m * (1.0 - ECCENTRICITY_2) / w2, degree_m * np.cos(lat)
