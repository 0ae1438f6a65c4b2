"""Build NMEA sentences for tests, and run them through the fix builder."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from firmware_bridge.gps.dating import Dates
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.protocols.nmea import Decoder, encode
from firmware_bridge.records import Fix, Sentence

PLACE = "4807.03811,N,01131.00012,E"
"""48.1173018 degrees north, 11.5166687 east."""


def line(body: str) -> str:
    """A body as the text of a sentence."""
    return encode(body).decode("ascii").rstrip()


def rmc(time: str, date: str = "150126", place: str = PLACE, status: str = "A", mode: str = "A") -> str:
    return line(f"GNRMC,{time},{status},{place},010.0,090.0,{date},,,{mode}")


def gga(time: str, place: str = PLACE, quality: str = "1", satellites: str = "08") -> str:
    return line(f"GNGGA,{time},{place},{quality},{satellites},0.9,545.4,M,46.9,M,,")


def north_of(metres: float) -> str:
    """The fields of PLACE moved north by `metres` (up to 98 km, the rest of its degree)."""
    return f"48{7.03811 + metres / 1852.0:08.5f},N,01131.00012,E"


VTG = line("GNVTG,045.0,T,,M,020.0,N,037.0,K,A")
GSA = line("GNGSA,A,3,01,02,03,04,,,,,,,,,1.5,0.8,1.2,1")
GLL = line(f"GNGLL,{PLACE},120000.00,A,A")
GNS = line(f"GNGNS,120000.00,{PLACE},AAN,17,0.7,545.4,46.9,,")
LAT, LON = 48.1173018, 11.5166687
"""The position of PLACE in degrees."""


def fixes_of(texts: Iterable[str], builder: FixBuilder | None = None, every_us: int = 0) -> list[Fix]:
    """All fixes of sentences that arrive `every_us` apart (0: all at the same time)."""
    builder = builder or FixBuilder()
    fixes = []
    for number, text in enumerate(texts):
        fixes += builder.feed(Sentence(number * every_us, text))
    return fixes + builder.finish()


def fixes_of_bytes(data: bytes, dates: Dates = Dates()) -> list[Fix]:  # noqa: B008 - immutable
    return fixes_of((sentence.text for sentence in Decoder().feed(data, 0).sentences), FixBuilder(dates))


def utc(fix: Fix) -> str:
    """A fix's time to the millisecond, in gpsd's format."""
    assert fix.utc_us is not None
    instant = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=fix.utc_us)  # noqa: DTZ001
    return instant.isoformat(timespec="milliseconds") + "Z"
