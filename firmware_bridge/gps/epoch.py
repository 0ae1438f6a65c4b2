"""The sentences of one epoch, gathered.

Knows reports, no text; whether an epoch is over, and what it is worth, is the builder's to say. The first
sentence to say something is believed, but for these:
  - the position is the last one given: a receiver whose sentences differ has gone on computing between them;
  - the quality is that of GGA or GNS, which know more of it than the letters of RMC and GLL;
  - satellites are the most that were said: GGA stops at 12, or counts its own constellation only;
  - speed and course are RMC's, whose time says that they are of this epoch, before those of VTG, which has none;
  - one sentence that denies a fix silences the whole epoch: no fix is never a position;
  - a UBX NAV-PVT is the receiver's own solution: it stands, whatever sentences came before it or come after; of those
    only the dilution is kept, which it does not have.
"""

from __future__ import annotations

from typing import Final

from firmware_bridge.gps.fix_report import PVT, Report

STATUS_KINDS: Final = frozenset({"RMC", "GGA", "GNS", "GLL", PVT})
"""The sentences that speak of a fix; an epoch without any of them makes none."""


class Epoch:
    """What is known so far. `t_us` is the first sentence's arrival, `last_us` the latest one's; `waited_us` is the
    longest time that passed before a sentence that is not of a fix, since the last one that is.

    `day` is the date that a sentence with a fix gave, `dated_us` that sentence's own time of day.
    """

    __slots__ = (
        *("t_us", "last_us", "waited_us", "time_us", "kinds", "denied", "quality", "lat", "lon", "alt_m"),
        *("speed_mps", "course_deg", "satellites", "hdop", "day", "dated_us"),
        *("accuracy_m", "alt_accuracy_m", "speed_accuracy_mps"),
    )

    def __init__(self, t_us: int) -> None:
        self.t_us = self.last_us = t_us
        self.waited_us = 0
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
        self.dated_us: int | None = None
        self.accuracy_m: float | None = None
        self.alt_accuracy_m: float | None = None
        self.speed_accuracy_mps: float | None = None

    def take(self, report: Report) -> bool:
        """One more sentence of this epoch; False where there is nothing new in it to wait for another time."""
        kind, time_us, quality, lat, lon, alt_m, speed_mps, course_deg, satellites, hdop, day, _, _, _ = (
            report
        )
        if kind == PVT or PVT in self.kinds:
            return self._settle(report)
        is_news = kind not in self.kinds and not (
            (kind == "GSA" and self.hdop is not None) or (kind == "VTG" and self.speed_mps is not None)
        )
        if is_news:
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
        if speed_mps is not None and (self.speed_mps is None or kind == "RMC"):
            self.speed_mps = speed_mps
        if course_deg is not None and (self.course_deg is None or kind == "RMC"):
            self.course_deg = course_deg
        if satellites is not None:
            self.satellites = max(satellites, self.satellites or 0)
        if self.hdop is None:
            self.hdop = hdop
        if day is not None and quality:
            self.day, self.dated_us = day, time_us
        return is_news

    def _settle(self, report: Report) -> bool:
        """The receiver's own solution, or a sentence beside it, which adds the dilution and nothing else."""
        is_news = report.kind not in self.kinds
        self.kinds.add(report.kind)
        if report.kind != PVT:
            self.hdop = report.hdop if self.hdop is None else self.hdop
            return is_news
        self.denied = report.quality == 0
        self.quality = report.quality
        self.lat, self.lon, self.alt_m = report.lat, report.lon, report.alt_m
        self.speed_mps, self.course_deg = report.speed_mps, report.course_deg
        self.satellites = report.satellites
        self.accuracy_m, self.alt_accuracy_m = report.accuracy_m, report.alt_accuracy_m
        self.speed_accuracy_mps = report.speed_accuracy_mps
        self.time_us = self.time_us if report.time_us is None else report.time_us
        if report.day is not None and report.quality:
            self.day, self.dated_us = report.day, report.time_us
        return is_news

    @property
    def is_full(self) -> bool:
        """Whether no sentence can add to it: a fix with its place, height, speed, satellites and dilution."""
        known = (self.lat, self.alt_m, self.speed_mps, self.satellites, self.hdop, self.day)
        return not self.denied and None not in known
