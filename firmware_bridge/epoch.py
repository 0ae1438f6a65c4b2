"""The sentences of one epoch, gathered.

Knows reports, no text; whether an epoch is over, and what it is worth, is the builder's to say. The first
sentence to say something is believed, but for these:
  - the position is the last one given: a receiver whose sentences differ has gone on computing between them;
  - the quality is that of GGA or GNS, which know more of it than the letters of RMC and GLL;
  - satellites are the most that were said: GGA stops at 12, or counts its own constellation only;
  - one sentence that denies a fix silences the whole epoch: no fix is never a position;
  - a UBX NAV-PVT is the receiver's own solution: it stands, whatever sentences came before it or come after; of those
    only the dilution is kept, which it does not have.
"""

from __future__ import annotations

from typing import Final

from firmware_bridge.report import PVT, Report

STATUS_KINDS: Final = frozenset({"RMC", "GGA", "GNS", "GLL", PVT})
"""The sentences that speak of a fix; an epoch without any of them makes none."""


class Epoch:
    """What is known so far. `t_us` is the first sentence's arrival, `last_us` the latest one's."""

    __slots__ = (
        *("t_us", "last_us", "time_us", "kinds", "denied", "quality", "lat", "lon", "alt_m"),
        *("speed_mps", "course_deg", "satellites", "hdop", "day"),
        *("accuracy_m", "alt_accuracy_m", "speed_accuracy_mps"),
    )

    def __init__(self, t_us: int) -> None:
        self.t_us = self.last_us = t_us
        self.kinds: set[str] = set()
        self.denied = False
        self.time_us: int | None = None
        self.quality: int | None = None
        self.lat: float | None = None
        self.lon: float | None = None
        self.alt_m: float | None = None
        self.speed_mps: float | None = None
        self.course_deg: float | None = None
        self.satellites: int | None = None
        self.hdop: float | None = None
        self.day: int | None = None
        self.accuracy_m: float | None = None
        self.alt_accuracy_m: float | None = None
        self.speed_accuracy_mps: float | None = None

    def take(self, report: Report) -> None:
        """One more sentence of this epoch."""
        kind, time_us, quality, lat, lon, alt_m, speed_mps, course_deg, satellites, hdop, day, *_ = report
        if kind == PVT or PVT in self.kinds:
            self._settle(report)
            return
        if kind != "GSA" or self.hdop is None:  # the second GSA and the one after GGA are nothing to wait for
            self.kinds.add(kind)
        if self.time_us is None:
            self.time_us = time_us
        if quality is not None:
            self.denied |= quality == 0
            if self.quality is None or kind in ("GGA", "GNS"):
                self.quality = quality
        if lat is not None:
            self.lat, self.lon = lat, lon
        if self.alt_m is None:
            self.alt_m = alt_m
        if self.speed_mps is None:
            self.speed_mps = speed_mps
        if self.course_deg is None:
            self.course_deg = course_deg
        if satellites is not None:
            self.satellites = max(satellites, self.satellites or 0)
        if self.hdop is None:
            self.hdop = hdop
        if self.day is None or (kind == "ZDA" and day is not None):  # ZDA writes the whole year
            self.day = day

    def _settle(self, report: Report) -> None:
        """The receiver's own solution, or a sentence beside it, which adds the dilution and nothing else."""
        self.kinds.add(report.kind)
        if report.kind != PVT:
            self.hdop = report.hdop if self.hdop is None else self.hdop
            return
        self.denied = report.quality == 0
        self.quality = report.quality
        self.lat, self.lon, self.alt_m = report.lat, report.lon, report.alt_m
        self.speed_mps, self.course_deg = report.speed_mps, report.course_deg
        self.satellites = report.satellites
        self.accuracy_m, self.alt_accuracy_m = report.accuracy_m, report.alt_accuracy_m
        self.speed_accuracy_mps = report.speed_accuracy_mps
        self.time_us = self.time_us if report.time_us is None else report.time_us
        self.day = self.day if report.day is None else report.day

    @property
    def says_something(self) -> bool:
        """Whether a receiver spoke of a fix in it, be it that there is none."""
        return self.quality is not None
