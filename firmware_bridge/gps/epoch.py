"""Merge the reports of one epoch into one set of values.

`assembly` decides when an epoch ends, `fix_builder` whether its position is accepted. The first report of a value
counts, except:
  - position: the last one, because a receiver whose sentences differ has computed a newer one between them;
  - quality: that of GGA or GNS, which is more detailed than the letters of RMC and GLL;
  - satellites: the largest number, because GGA stops at 12 or counts only one constellation;
  - speed and course: RMC's, whose time proves that they are of this epoch, rather than VTG's, which has no time;
  - no fix: one sentence that denies a fix makes the whole epoch one without a position;
  - UBX NAV-PVT: the receiver's own solution replaces the values of all sentences, except the dilution, which it lacks.
"""

from __future__ import annotations

from typing import Final

from firmware_bridge.gps.fix_report import PVT, Report

STATUS_KINDS: Final = frozenset({"RMC", "GGA", "GNS", "GLL", PVT})
"""Kinds of sentence that report on a fix; an epoch without any of them gives no Fix."""


class Epoch:
    """The values so far. `t_us` is the first sentence's arrival, `last_us` the latest one's; `waited_us` is the longest
    wait for a sentence unrelated to fixes, since the last one related to them.

    `day` is the date from a sentence with a fix, `dated_us` that sentence's time of day.
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
        """Merge another report; return False if it adds nothing that later epochs should wait for."""
        kind, time_us, quality, lat, lon, alt_m, speed_mps, course_deg, satellites, hdop, day, _, _, _ = (
            report
        )
        if kind == PVT or PVT in self.kinds:
            return self._merge_pvt(report)
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

    def _merge_pvt(self, report: Report) -> bool:
        """Merge a NAV-PVT, or a sentence beside it, which adds only the dilution."""
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
        """Whether it has a fix with position, altitude, speed, satellites, dilution and date."""
        known = (self.lat, self.alt_m, self.speed_mps, self.satellites, self.hdop, self.day)
        return not self.denied and None not in known
