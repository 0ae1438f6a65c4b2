"""Satellites in view of the virtual receiver: GSA and GSV, once per second.

An invented constellation that turns slowly; no orbits are computed. Sentences stay the same for a minute, as
elevations in whole degrees nearly do, and are cached for that time.
"""

from __future__ import annotations

from functools import lru_cache, reduce
from operator import xor

COUNT = 16
GSV_SATELLITES = 4
"""The most that one GSV sentence carries."""
GSA_SATELLITES = 12
TURN_S = 41_000.0
"""Half a sidereal day: a GPS satellite's orbit."""
MASK_DEG = 5


class Sky:
    """Sentences on the satellites in view. `talker` is that of GSA; GSV uses GPS's, GP."""

    def __init__(self, talker: str) -> None:
        self._talker = talker
        self._minute = lru_cache(maxsize=8)(self._sentences)

    def sentences(self, t_s: int, used: int) -> bytes:
        """Return GSA and GSV at `t_s` with `used` satellites in the position; 0 is no position."""
        return self._minute(t_s // 60, used)

    def _sentences(self, minute: int, used: int) -> bytes:
        view = sorted(
            (
                (elevation, prn, (prn * 73 + minute // 2) % 360)
                for prn in range(1, 2 * COUNT, 2)
                if (elevation := _elevation_deg(prn, minute)) >= MASK_DEG
            ),
            reverse=True,
        )
        prns = [f"{prn:02d}" for _, prn, _ in view[: min(used, GSA_SATELLITES)]]
        fields = prns + [""] * (GSA_SATELLITES - len(prns))
        dilutions = "1.60,0.90,1.30" if used else "99.99,99.99,99.99"
        lines = [f"{self._talker}GSA,A,{3 if used else 1},{','.join(fields)},{dilutions}"]
        pages = [view[i : i + GSV_SATELLITES] for i in range(0, len(view), GSV_SATELLITES)]
        for page, satellites in enumerate(pages, start=1):
            seen = [
                f"{prn:02d},{elevation:02d},{azimuth:03d},{28 + elevation // 5:02d}"
                for elevation, prn, azimuth in satellites
            ]
            lines.append(f"GPGSV,{len(pages)},{page},{len(view):02d},{','.join(seen)}")
        return b"".join(_sentence(line) for line in lines)


def _elevation_deg(prn: int, minute: int) -> int:
    """Return a satellite's elevation: a triangle over time with its own maximum, half of it below the horizon."""
    phase = (minute * 60 / TURN_S + prn / 31) % 1.0
    return int((1 - abs(4 * phase - 2)) * (40 + prn % 5 * 10)) if 0.25 < phase < 0.75 else -1


def _sentence(body: str) -> bytes:
    raw = body.encode("ascii")
    return b"$%s*%02X\r\n" % (raw, reduce(xor, raw))
