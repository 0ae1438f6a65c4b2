"""One drive of known truth as receivers of many kinds send it: each live (through the pipeline) and in replay.

Only the sentences that a receiver has, their order, rates and delays differ. The drive stands, accelerates at 4 m/s2,
brakes at 8 m/s2, and stops and starts again several times.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.protocols.nmea import encode
from firmware_bridge.virtual.drive import Moment
from logger.logfile.rows import Rows
from logger.replay.replay import Capture, sessions
from tests.field_cases.test_epochs import WRITTEN_S, alarms, assert_in_order, live
from tests.logger.stage import truth

DRIVE = truth.planned(
    truth.road(4000),
    [(5, 0), (7, 100), (15, 100), (3.5, 0), (6, 0), *[(3, 43), (5, 43), (1.5, 0), (5, 0)] * 6],
)
BEGIN = datetime(2026, 1, 15, 8, 0, 0, tzinfo=UTC)
Sent = Iterator[tuple[float, bytes]]


def _time(t_s: float) -> str:
    at = BEGIN + timedelta(seconds=round(t_s, 3))
    return f"{at:%H%M%S}.{at.microsecond // 10_000:02d}"


def _angle(degrees: float, width: int, decimals: int) -> str:
    whole, part = divmod(round(degrees * 60 * 10**decimals), 60 * 10**decimals)
    return f"{whole:0{width}d}{part / 10**decimals:0{decimals + 3}.{decimals}f}"


def _place(here: Moment, decimals: int = 5) -> str:
    return f"{_angle(here.lat, 2, decimals)},N,{_angle(here.lon, 3, decimals)},E"


def _knots(here: Moment) -> str:
    return f"{here.speed_mps * 3600 / 1852:.3f}"


def gga(t_s: float, decimals: int = 5) -> bytes:
    return encode(f"GNGGA,{_time(t_s)},{_place(DRIVE.at(t_s), decimals)},1,12,0.8,800.0,M,-5.0,M,,")


def rmc(t_s: float, speed: str | None = None) -> bytes:
    here = DRIVE.at(t_s)
    speed = _knots(here) if speed is None else speed
    return encode(f"GNRMC,{_time(t_s)},A,{_place(here)},{speed},45.0,150126,,,A")


def gll(t_s: float) -> bytes:
    return encode(f"GPGLL,{_place(DRIVE.at(t_s))},{_time(t_s)},A")


def vtg(t_s: float) -> bytes:
    return encode(f"GNVTG,45.0,T,,M,{_knots(DRIVE.at(t_s))},N,,K,A")


def old_vtg(t_s: float) -> bytes:
    """As before NMEA 2.3, four numbers without units: not read, so the speed is that of the positions."""
    here = DRIVE.at(t_s)
    return encode(f"GPVTG,45.0,,{_knots(here)},{here.speed_mps * 3.6:.2f}")


def epochs(hz: int, *kinds: Callable[[float], bytes], from_s: float = 0.0, to_s: float = DRIVE.end_s) -> Sent:
    """Each epoch's sentences, 4 ms apart."""
    for number in range(round((to_s - from_s) * hz)):
        t_s = from_s + number / hz
        for place, kind in enumerate(kinds):
            yield t_s + 0.04 + place * 0.004, kind(t_s)


def late(hz: int, delay_s: float) -> Sent:
    """RMC comes `delay_s` after its GGA."""
    return ((at_s + (delay_s if b"RMC" in text else 0.0), text) for at_s, text in epochs(hz, gga, rmc))


def stalled(hz: int) -> Sent:
    """Every ten seconds the computer stalls: 1.2 s of GGA arrive together."""
    return ((at_s + max(0.0, 1.2 - at_s % 10), text) for at_s, text in epochs(hz, gga))


def slower_then_faster() -> Sent:
    yield from epochs(10, gga, rmc, to_s=20)
    yield from epochs(1, gga, rmc, from_s=20, to_s=60)
    yield from epochs(5, gga, rmc, from_s=60)


def dropouts(hz: int) -> Sent:
    """Without a fix for 2 s of 10."""
    for at_s, text in epochs(hz, gga, rmc):
        time = text.split(b",")[1].decode()
        lost = f"GNGGA,{time},,,,,0,00,99.99,,,,,," if b"GGA" in text else f"GNRMC,{time},V,,,,,,,,,,N"
        yield at_s, encode(lost) if 4 <= at_s % 10 < 6 else text


RECEIVERS: dict[str, Callable[[], Sent]] = {
    "GGA alone 1 Hz": lambda: epochs(1, gga),
    "GGA alone 10 Hz": lambda: epochs(10, gga),
    "GGA alone 5 Hz, four decimals": lambda: epochs(5, lambda t_s: gga(t_s, 4)),
    "GLL alone 1 Hz": lambda: epochs(1, gll),
    "GGA alone 10 Hz, stalls": lambda: stalled(10),
    "GGA alone 1 Hz, stalls": lambda: stalled(1),
    "RMC without speed 5 Hz": lambda: epochs(5, lambda t_s: rmc(t_s, "")),
    "RMC with speed 0 throughout 5 Hz": lambda: epochs(5, lambda t_s: rmc(t_s, "0.00")),
    "VTG without units 5 Hz": lambda: epochs(5, gga, old_vtg),
    "GLL and VTG 10 Hz": lambda: epochs(10, gll, vtg),
    "RMC 300 ms late 1 Hz": lambda: late(1, 0.3),
    "RMC 900 ms late 1 Hz": lambda: late(1, 0.9),
    "RMC 300 ms late 10 Hz": lambda: late(10, 0.3),
    "10 Hz, 1 Hz, 5 Hz": slower_then_faster,
    "dropouts 10 Hz": lambda: dropouts(10),
}


def _rows(sent: Sent, way: str, folder: Path) -> Rows:
    timed = sorted(sent, key=lambda piece: piece[0])
    if way == "live":
        return live(iter(timed))
    path = folder / "receiver.nmea"
    path.write_bytes(b"".join(text for _, text in timed))
    os.utime(path, (WRITTEN_S, WRITTEN_S))
    (session,) = sessions(Capture(path), lambda _share: None)
    merged = Rows()
    for rows in session.rows:
        for table in ("fix", "event", "progress"):
            getattr(merged, table).extend(getattr(rows, table))
    return merged


@pytest.mark.parametrize("way", ["live", "replay"])
@pytest.mark.parametrize("receiver", RECEIVERS)
def test_distance_speed_and_epochs_of_any_receiver(receiver: str, way: str, tmp_path: Path) -> None:
    rows = _rows(RECEIVERS[receiver](), way, tmp_path)
    times = {
        text.split(b",")[5 if b"GLL" in text else 1]
        for _, text in RECEIVERS[receiver]()
        if b"VTG" not in text
    }
    assert len(rows.fix) == len(times)
    assert_in_order(rows.fix)
    assert rows.progress[-1].distance_m == pytest.approx(DRIVE.length_m, rel=0.03)
    assert max(row.speed_mps or 0.0 for row in rows.progress) == pytest.approx(100 / 3.6, abs=3 / 3.6)
    assert alarms(rows.event) == []
    has_speeds = ("and VTG", "late", "10 Hz, 1", "dropouts")
    if any(name in receiver for name in has_speeds):
        _assert_own_speeds(rows)


def _assert_own_speeds(rows: Rows) -> None:
    """Each fix has the speed of its own epoch; live, the very first may be emitted before its RMC arrives."""
    located = [fix for fix in rows.fix if fix.lat is not None][1:]
    assert all(fix.speed_mps is not None for fix in located)
    for fix in located:
        if fix.utc_us is not None:
            true = DRIVE.at(fix.utc_us / 1e6 - BEGIN.timestamp()).speed_mps
            assert fix.speed_mps == pytest.approx(true, abs=0.02)
    assert all(a.t_us < b.t_us for a, b in pairwise(located))
