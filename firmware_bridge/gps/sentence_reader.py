"""Parse one NMEA sentence into a report on a fix, None for values not given.

Works on one sentence at a time, without epochs, dates from earlier sentences or plausibility checks.
pynmea2 provides the field order; the values are parsed here, because its conversions return a raw string
when they fail, turn an empty position into 0.0, accept "nan" as a number and reject leap seconds.
Rule 1: a field is either a value within its range or None. Rule 2: a field that is neither empty nor
readable is counted. Rule 3: a position counts only if the sentence itself reports a fix.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from pynmea2.types import talker

from firmware_bridge.gps.fix_report import ALTITUDES_M, Report
from firmware_bridge.gps.jump_filter import RECEIVER_LIMIT_MPS
from firmware_bridge.gps.nmea_fields import angle_deg, day_number, decimal, time_of_day_us, two_digit_date
from firmware_bridge.protocols.ubx import TEXT_START
from firmware_bridge.records import new_record

KNOT_MPS: Final = 1852 / 3600
KMH_MPS: Final = 1 / 3.6
MAX_HDOP: Final = 100.0
"""Receivers write 99.99 (and 50.0) for "unknown, large"; a larger value is not a dilution."""
MODE_QUALITY: Final = {"R": 4, "F": 5, "P": 3, "D": 2, "A": 1, "E": 6, "M": 7, "S": 8, "N": 0}
"""Mode letters of RMC, GLL and GNS as GGA qualities, the best first (GNS has one letter per constellation)."""

_PADDING: Final = [""] * 20
"""Sentences of older standards are shorter than pynmea2's layouts: missing fields read as empty."""
LONGEST_GSA: Final = 18
"""Fields of a standard GSA. Receivers with more than twelve satellite fields shift the dilutions behind them."""

REMEMBERED_GSAS: Final = 16
"""Number of GSA texts cached: GSA has no time, so each constellation's text stays the same for seconds."""


def _layout(sentence: Any, *names: str) -> Callable[[list[str]], tuple[str, ...]]:
    """Return a getter of the named fields from a sentence split at its commas, address first."""
    return itemgetter(*(1 + sentence.name_to_idx[name] for name in names))


_POSITION = ("timestamp", "lat", "lat_dir", "lon", "lon_dir")
_RMC = _layout(
    talker.RMC, *_POSITION, *("status", "mode_indicator", "spd_over_grnd", "true_course", "datestamp")
)
_GGA = _layout(talker.GGA, *_POSITION, "gps_qual", "num_sats", "horizontal_dil", "altitude")
_GNS = _layout(talker.GNS, *_POSITION, "mode_indicator", "num_sats", "hdop", "altitude")
_GLL = _layout(talker.GLL, *_POSITION, "status", "faa_mode")
_VTG = _layout(
    talker.VTG,
    *("true_track", "true_track_sym", "spd_over_grnd_kts", "spd_over_grnd_kts_sym"),
    *("spd_over_grnd_kmph", "spd_over_grnd_kmph_sym", "faa_mode"),
)
_ZDA = _layout(talker.ZDA, "timestamp", "day", "month", "year")
_GSA = _layout(talker.GSA, "mode_fix_type", "hdop")


class SentenceReader:
    """Parser of the sentences that matter for a fix. `unreadable` counts fields by sentence and name."""

    def __init__(self) -> None:
        self.unreadable: Counter[str] = Counter()
        self._last_place: tuple[list[str], tuple[float | None, float | None]] = [], (None, None)
        self._gsas: dict[str, Report] = {}
        self._readers: dict[str, Callable[[list[str]], Report | None]] = {
            "RMC,": self._rmc,
            "GGA,": self._gga,
            "GNS,": self._gns,
            "GLL,": self._gll,
            "VTG,": self._vtg,
            "ZDA,": self._zda,
            "GSA,": self._gsa,
        }

    def read(self, text: str) -> Report | None:
        """Return the report of a sentence with a valid checksum; None if it does not concern a fix."""
        kind = text[3:7]
        if kind == "GSA," and text in self._gsas:
            return self._gsas[text]
        if (reader := self._readers.get(kind)) is None:
            if text.startswith(TEXT_START):
                from firmware_bridge.gps import ubx_reader  # noqa: PLC0415 - most receivers send none

                return ubx_reader.read(text, self.unreadable)
            return None
        if text[0] != "$" or text[1] == "P" or not text.isascii():
            return None  # Garmin's $PGRMC is not RMC
        report = reader(text.partition("*")[0].split(",") + _PADDING)
        if kind == "GSA," and report is not None and report.hdop is not None:
            if len(self._gsas) >= REMEMBERED_GSAS:
                self._gsas.clear()
            self._gsas[text] = report
        return report

    def _rmc(self, fields: list[str]) -> Report:
        time, *place, status, mode, speed, course, date = _RMC(fields)
        time_us, quality = self._time("RMC", time), _quality(status, mode)
        day = self._date("RMC", date)
        if not quality:
            return Report("RMC", time_us, quality, day=day)
        lat, lon = self._place("RMC", place)
        speed_mps = self._number("RMC speed", speed, 0.0, RECEIVER_LIMIT_MPS, KNOT_MPS)
        course_deg = self._number("RMC course", course, 0.0, 360.0)
        motion = speed_mps, course_deg, None, None, day, None, None, None
        return new_record(Report, ("RMC", time_us, quality, lat, lon, None, *motion))

    def _gll(self, fields: list[str]) -> Report:
        time, *place, status, mode = _GLL(fields)
        time_us, quality = self._time("GLL", time), _quality(status, mode)
        if not quality:
            return Report("GLL", time_us, quality)
        return Report("GLL", time_us, quality, *self._place("GLL", place))

    def _gga(self, fields: list[str]) -> Report:
        time, *place, quality_text, satellites, hdop, altitude = _GGA(fields)
        quality = self._count("GGA quality", quality_text)
        return self._solution("GGA", time, quality, place, (satellites, hdop, altitude))

    def _gns(self, fields: list[str]) -> Report:
        time, *place, modes, satellites, hdop, altitude = _GNS(fields)
        quality = next((number for letter, number in MODE_QUALITY.items() if letter in modes), None)
        return self._solution("GNS", time, quality, place, (satellites, hdop, altitude))

    def _solution(
        self, kind: str, time: str, quality: int | None, place: list[str], rest: tuple[str, str, str]
    ) -> Report:
        time_us = self._time(kind, time)
        satellites, hdop = self._count("satellites", rest[0]), self._number("hdop", rest[1], 0.0, MAX_HDOP)
        if not quality:
            return Report(kind, time_us, quality, satellites=satellites, hdop=hdop)
        lat, lon = self._place(kind, place)
        alt_m = self._number("altitude", rest[2], *ALTITUDES_M)
        values = kind, time_us, quality, lat, lon, alt_m, None, None, satellites, hdop, None, None, None, None
        return new_record(Report, values)

    def _vtg(self, fields: list[str]) -> Report | None:
        course, course_unit, knots, knots_unit, kmh, kmh_unit, mode = _VTG(fields)
        if mode == "N":
            return None
        speed_mps = course_deg = None
        if knots_unit == "N":
            speed_mps = self._number("VTG speed", knots, 0.0, RECEIVER_LIMIT_MPS, KNOT_MPS)
        if speed_mps is None and kmh_unit == "K":
            speed_mps = self._number("VTG speed", kmh, 0.0, RECEIVER_LIMIT_MPS, KMH_MPS)
        if course_unit == "T":
            course_deg = self._number("VTG course", course, 0.0, 360.0)
        return Report("VTG", speed_mps=speed_mps, course_deg=course_deg)

    def _zda(self, fields: list[str]) -> Report:
        time, *date = _ZDA(fields)
        day = None
        if any(date):
            if all(part.isdigit() and len(part) <= 4 for part in date):
                day = day_number(int(date[0]), int(date[1]), int(date[2]))
            if day is None:
                self.unreadable["ZDA date"] += 1
        return Report("ZDA", self._time("ZDA", time), day=day)

    def _gsa(self, fields: list[str]) -> Report | None:
        fix_type, hdop = _GSA(fields)
        if fix_type not in ("2", "3") or len(fields) > 1 + LONGEST_GSA + len(_PADDING):
            return None
        return Report("GSA", hdop=self._number("hdop", hdop, 0.0, MAX_HDOP))

    def _time(self, kind: str, text: str) -> int | None:
        if not text:
            return None
        time_us = time_of_day_us(text)
        if time_us is None:
            self.unreadable[f"{kind} time"] += 1
        return time_us

    def _date(self, kind: str, text: str) -> int | None:
        if not text:
            return None
        day = two_digit_date(text)
        if day is None:
            self.unreadable[f"{kind} date"] += 1
        return day

    def _place(self, kind: str, texts: list[str]) -> tuple[float | None, float | None]:
        """Parse latitude and longitude; None for both if either is invalid."""
        if texts == self._last_place[0]:  # the sentences of an epoch share their position
            return self._last_place[1]
        lat_text, lat_side, lon_text, lon_side = texts
        if not lat_text and not lon_text:
            return None, None
        lat = angle_deg(lat_text, lat_side, "NS", 90.0)
        lon = angle_deg(lon_text, lon_side, "EW", 180.0)
        if lat is None or lon is None:
            self.unreadable[f"{kind} position"] += 1
            return None, None
        self._last_place = texts, (lat, lon)
        return lat, lon

    def _number(self, name: str, text: str, low: float, high: float, unit: float = 1.0) -> float | None:
        if not text:
            return None
        number = decimal(text)
        if number is not None and low <= number * unit <= high:
            return number * unit
        self.unreadable[name] += 1
        return None

    def _count(self, name: str, text: str) -> int | None:
        if not text:
            return None
        if text.isdigit() and len(text) <= 3:
            return int(text)
        self.unreadable[name] += 1
        return None


def _quality(status: str, mode: str) -> int | None:
    """Return the GGA quality for the status and mode letters of RMC and GLL.

    The navigational status that NMEA 4.1 adds to RMC is ignored: receivers without that function write V
    there even with a good fix.
    """
    if not status:
        return None
    return MODE_QUALITY.get(mode, 1) if status in ("A", "D") else 0
