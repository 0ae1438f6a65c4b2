"""Timing of receivers' sentences: each case live (paced, through the pipeline) and in replay."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.gps.nmea_fields import time_of_day_us
from firmware_bridge.protocols import protocol
from firmware_bridge.records import Fix
from logger.logfile.rows import EventRow, Rows
from logger.recorder.pipeline import Pipeline
from logger.recorder.sources import Source
from logger.recorder.stage_files import Stage
from logger.replay.replay import Capture, sessions
from logger.stage.odometer import Odometer
from tests.field_cases.timed_sentences import CASES, Timed, bursts, lines

WRITTEN_S = datetime(2026, 11, 29, tzinfo=UTC).timestamp()


def serial(case: str, baud: int) -> Iterator[Timed]:
    """Each line with its time in s, without pauses, at a baud rate."""
    sent = 0
    for line in lines(case):
        sent += len(line)
        yield sent * 10 / baud, line


def live(timed: Iterator[Timed]) -> Rows:
    """Rows of the recorder's pipeline for timed lines."""
    pipeline = Pipeline(
        [Source("gps", protocol("nmea").decoder(0), FixBuilder())], EngineReadings([]), Stage().live("")
    )
    t_us = 0
    for at_s, line in timed:
        t_us = round(at_s * 1e6) + 1_000
        pipeline.feed("gps", t_us, line)
    pipeline.finish(t_us + 100_000)
    return pipeline.take()


def replayed(case: str, folder: Path) -> Rows:
    """Rows of a replay of the case."""
    path = folder / f"{case}.nmea"
    path.write_bytes((CASES / f"{case}.nmea").read_bytes())
    os.utime(path, (WRITTEN_S, WRITTEN_S))
    (session,) = sessions(Capture(path), lambda _share: None)
    merged = Rows()
    for rows in session.rows:
        for table in ("fix", "clock", "event"):
            getattr(merged, table).extend(getattr(rows, table))
    return merged


def metres(fixes: list[Fix]) -> float:
    """The odometer's distance over the fixes, in m."""
    odometer = Odometer()
    for fix in fixes:
        if fix.lat is not None and fix.lon is not None:
            odometer.fix(fix.t_us if fix.utc_us is None else fix.utc_us, fix.lat, fix.lon, fix.speed_mps)
    return odometer.total_m


def alarms(events: list[EventRow]) -> list[tuple[float, str]]:
    """Time in s and state of each "gps lost" event."""
    return [
        (event.t_us / 1e6, event.detail["state"])
        for event in events
        if event.kind == "alarm" and event.detail["name"] == "gps lost"
    ]


def assert_in_order(fixes: list[Fix]) -> None:
    times = [fix.utc_us for fix in fixes if fix.utc_us is not None]
    assert all(a < b for a, b in pairwise(times))
    assert all(a.t_us <= b.t_us for a, b in pairwise(fixes))


def utc_text(fix: Fix) -> str:
    assert fix.utc_us is not None
    return datetime.fromtimestamp(fix.utc_us / 1e6, UTC).isoformat()


WHOLE = {
    "zda-ahead-2s": (60, 60, 1475, bursts("zda-ahead-2s", 1, b"GGA")),
    "gga-rmc-1ms-apart": (300, 300, 747, bursts("gga-rmc-1ms-apart", 10, b"GGA")),
    "gap-300ms-gga-rmc": (20, 20, 475, bursts("gap-300ms-gga-rmc", 1, b"GGA", 0.3)),
    "rmc10-gga1": (600, 60, 1497, bursts("rmc10-gga1", 10, b"RMC")),
    "rmc10-gga1 late": (600, 60, 1497, bursts("rmc10-gga1", 10, b"RMC", 0.06)),
    "cycle-2s-4800": (12, 12, 550, serial("cycle-2s-4800", 4800)),
    "damaged-time": (60, 60, 1475, bursts("damaged-time", 1, b"GGA")),
}


@pytest.mark.parametrize("case", WHOLE)
@pytest.mark.parametrize("way", ["live", "replay"])
def test_every_epoch_is_a_fix_with_speed_and_height(case: str, way: str, tmp_path: Path) -> None:
    count, high, total_m, timed = WHOLE[case]
    name = case.partition(" ")[0]
    fixes = live(iter(list(timed))).fix if way == "live" else replayed(name, tmp_path).fix
    assert_in_order(fixes)
    assert len(fixes) == count
    with_height = [fix for fix in fixes if fix.alt_m is not None and fix.satellites and fix.hdop is not None]
    assert len(with_height) == high
    without_speed = [fix for fix in fixes if fix.speed_mps is None]
    assert len(without_speed) == (1 if name == "damaged-time" else 0)
    assert metres(fixes) == pytest.approx(total_m, rel=0.01)


@pytest.mark.parametrize("way", ["live", "replay"])
def test_rmc_belongs_to_the_previous_epoch(way: str, tmp_path: Path) -> None:
    """A burst has the RMC of the previous second, then the GGA of this one."""
    case = "rmc-behind-then-gga"
    fixes = live(bursts(case, 1, b"RMC")).fix if way == "live" else replayed(case, tmp_path).fix
    assert_in_order(fixes)
    assert len(fixes) in (30, 31)
    assert all(fix.speed_mps == pytest.approx(25.0, abs=0.01) for fix in fixes[:-1])
    assert all(fix.alt_m is not None for fix in fixes[1:])


@pytest.mark.parametrize("way", ["live", "replay"])
@pytest.mark.parametrize(("case", "without_speed"), [("gga-then-rmc-behind", 1), ("rmc-late-1200ms", 0)])
def test_rmc_arrives_after_the_gga_of_the_next_second(
    case: str, without_speed: int, way: str, tmp_path: Path
) -> None:
    fixes = live(bursts(case, 1, b"GGA")).fix if way == "live" else replayed(case, tmp_path).fix
    assert_in_order(fixes)
    assert len(fixes) == 30
    first = (
        1 if way == "live" else 0
    )  # live, the first fix is emitted within a second, before its RMC arrives
    speeds = [fix.speed_mps for fix in fixes[first : 30 - without_speed]]
    assert speeds == pytest.approx([25.0] * len(speeds), abs=0.01)
    assert all(fix.alt_m is not None for fix in fixes)


@pytest.mark.parametrize("way", ["live", "replay"])
def test_vtg_before_its_gga_belongs_to_the_same_fix(way: str, tmp_path: Path) -> None:
    """Two GGA are lost; the speed of a neighbouring second would be wrong by up to 2.7 m/s."""
    case = "vtg-before-gga"
    fixes = live(bursts(case, 1, b"VTG")).fix if way == "live" else replayed(case, tmp_path).fix
    assert len(fixes) == 38
    seconds = [second for second in range(40) if second not in (7, 23)]
    truth = [10 + 8 * math.sin(second / 3) for second in seconds]
    assert [fix.speed_mps for fix in fixes] == pytest.approx(truth, abs=0.02)


def test_a_pause_before_gsv_sentences_does_not_end_the_epoch() -> None:
    """Four GSV arrive as one chunk 0.6 s after the GGA; RMC and VTG follow immediately."""

    def timed() -> Iterator[Timed]:
        at_s, held = 0.0, b""
        for number, line in enumerate(lines("cycle-2s-gsv-between")):
            at_s = number // 8 * 2.0 if line[3:6] == b"GGA" else at_s
            at_s += len(line) * 10 / 4800
            held += line
            if b"GSV,4," not in line or b"GSV,4,4" in line:
                yield at_s, held
                held = b""

    rows = live(timed())
    assert len(rows.fix) == 12
    assert all(fix.speed_mps is not None and fix.alt_m is not None for fix in rows.fix)
    assert metres(rows.fix) == pytest.approx(550, rel=0.01)


@pytest.mark.parametrize("way", ["live", "replay"])
def test_speeds_match_their_epochs_again_after_a_lost_gga(way: str, tmp_path: Path) -> None:
    case = "gga-vtg-one-lost"
    fixes = live(bursts(case, 10, b"GGA")).fix if way == "live" else replayed(case, tmp_path).fix
    truth: dict[int, float] = {}
    time_us = None
    for line in lines(case):
        if gga := re.match(rb"\$GNGGA,([0-9.]+),", line):
            time_us = time_of_day_us(gga[1].decode())
        elif time_us is not None:
            truth[time_us] = float(line.split(b",")[5]) * 1852 / 3600
    assert len(fixes) in (len(truth), len(truth) - 1)
    # Without a date fixes have no UTC; they have the order of the sentences.
    speeds = [fix.speed_mps for fix in fixes]
    assert None not in speeds
    expected = [
        speed for moment, speed in truth.items() if abs(moment % 86_400_000_000 - 32_420_000_000) > 50_000
    ]
    actual = [speed for speed in speeds if speed is not None]
    assert actual[:199] == pytest.approx(expected[:199])
    assert actual[-390:] == pytest.approx(expected[-390:])


def test_a_stuck_receiver_is_lost_and_adds_no_distance(tmp_path: Path) -> None:
    rows = live(bursts("stuck-receiver", 1, b"GGA"))
    assert_in_order(rows.fix)
    assert len(rows.fix) == 15
    assert metres(rows.fix) == pytest.approx(350, abs=1)
    ((raised_s, state),) = alarms(rows.event)
    assert (state, 17 <= raised_s <= 17.3) == ("raised", True)
    assert [e.kind for e in rows.event if e.kind == "gps_repeated"] != []
    assert len(replayed("stuck-receiver", tmp_path).fix) == 15


@pytest.mark.parametrize("way", ["live", "replay"])
def test_a_second_of_far_positions_is_rejected(way: str, tmp_path: Path) -> None:
    case = "svalbard-1s-10hz"
    rows = live(bursts(case, 10, b"RMC")) if way == "live" else replayed(case, tmp_path)
    assert len(rows.fix) == 600
    assert sum(fix.lat is None for fix in rows.fix) == 10
    assert all(24 < fix.lat < 26 for fix in rows.fix if fix.lat is not None)
    assert alarms(rows.event) == []


@pytest.mark.parametrize("way", ["live", "replay"])
@pytest.mark.parametrize(
    ("case", "first", "last"),
    [
        ("midnight-old-date", "2026-01-12T23:59:40+00:00", None),
        ("week-rollover", "2026-01-12T09:00:00+00:00", "2026-01-12T09:00:59+00:00"),
        ("log-of-2024", "2024-01-12T09:00:00+00:00", "2024-01-12T09:00:59+00:00"),
    ],
)
def test_dates_are_corrected_or_kept(
    case: str, first: str, last: str | None, way: str, tmp_path: Path
) -> None:
    rows = live(bursts(case, 1, b"GGA")) if way == "live" else replayed(case, tmp_path)
    assert_in_order(rows.fix)
    assert utc_text(rows.fix[0]) == first
    assert [b.utc_us - a.utc_us for a, b in pairwise(rows.fix) if a.utc_us and b.utc_us] == [1_000_000] * (
        len(rows.fix) - 1
    )
    assert last is None or utc_text(rows.fix[-1]) == last
    assert rows.clock
    assert all(fix.date_ok for fix in rows.fix)
    sent_dates = [event.detail["said"] for event in rows.event if event.kind == "gps_date"]
    assert sent_dates == (["2006-05-29"] if case == "week-rollover" else [])


def test_gll_alone_gives_a_fix_per_second(tmp_path: Path) -> None:
    for fixes in (live(bursts("gll-only", 1, b"GLL")).fix, replayed("gll-only", tmp_path).fix):
        assert len(fixes) == 60
        assert [b.t_us - a.t_us for a, b in pairwise(fixes)] == pytest.approx([1_000_000] * 59, abs=1)


@pytest.mark.parametrize("cycle_s", [2.0, 5.0, 10.1])
@pytest.mark.parametrize("last", [b"RMC", b"GGA"])
def test_a_slow_receiver_is_not_lost(cycle_s: float, last: bytes) -> None:
    """Sentences are spread over the whole cycle. After 20 s of silence GPS is lost, and the next fix clears it."""
    timed = []
    cycle: list[bytes] = []
    number = 0
    for line in lines("cycle-2s-4800") * 2:
        cycle.append(line)
        if line[3:6] != b"RMC":
            continue
        if last == b"GGA":
            cycle[0], cycle[-1] = cycle[-1], cycle[0]
        begin_s = number * cycle_s + (20.0 if number >= 12 else 0.0)
        shifted = [_at_cycle(text, number) for text in cycle]
        timed += [(begin_s + position * cycle_s / len(cycle), text) for position, text in enumerate(shifted)]
        cycle, number = [], number + 1
    rows = live(iter(timed))
    assert len(rows.fix) == 24
    states = alarms(rows.event)
    silent_s = 12 * cycle_s
    while_driving = [state for state in states if not silent_s <= state[0] <= silent_s + 20 + 2 * cycle_s]
    assert len([state for state in while_driving if state[1] == "raised"]) <= 1
    assert states[-1][1] == "cleared"
    assert [state for _, state in states].count("raised") <= 2
    assert any(silent_s < at_s < silent_s + 20 for at_s, state in states if state == "raised")


def _at_cycle(line: bytes, number: int) -> bytes:
    """The sentence with the time of cycle `number`; cycles begin at 09:00:00 and last 2 s each."""
    body = line[1 : line.index(b"*")].split(b",")
    if body[0][2:] not in (b"GGA", b"RMC"):
        return line
    body[1] = b"09%02d%02d.00" % divmod(number * 2, 60)
    text = b",".join(body)
    checksum = 0
    for byte in text:
        checksum ^= byte
    return b"$%s*%02X\r\n" % (text, checksum)
