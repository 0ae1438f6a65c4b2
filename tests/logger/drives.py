"""Write a short stage, driven exactly as planned, as a log, an NMEA text and a GPX track."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.protocols.nmea import encode
from firmware_bridge.records import Channel, Fix, Reading
from firmware_bridge.virtual.engine import Engine
from logger.config import configuration as configs
from logger.demo import planning
from logger.demo.planning import Orders, Overspeed, Plan
from logger.judgement.recorded_input import RecordedFixes
from logger.logfile.bulk_log import BulkLog
from logger.logfile.store import SessionStart
from logger.recorder import setup, stage_files
from logger.recorder.pipeline import Pipeline
from logger.recorder.sources import Source
from logger.stage.itinerary import load

ITINERARY = """
[stage]
event = "Test"
number = 7
name = "Short"
date = 2026-01-15
max_speed_kmh = 140

[[section]]
kind = "selective"
name = "SS7"
length_km = 14.0
  [[section.waypoint]]
  km = 0.0
  kind = "dss"
  lat = 21.6200
  lon = 40.7200
  [[section.waypoint]]
  km = 2.0
  kind = "wpm"
  name = "WPM1"
  lat = 21.6366
  lon = 40.7240
  [[section.waypoint]]
  km = 4.0
  kind = "dz"
  speed_kmh = 50
  lat = 21.6532
  lon = 40.7280
  [[section.waypoint]]
  km = 6.0
  kind = "fz"
  lat = 21.6698
  lon = 40.7320
  [[section.waypoint]]
  km = 8.0
  kind = "cp"
  name = "CP1"
  lat = 21.6864
  lon = 40.7360
  [[section.waypoint]]
  km = 9.0
  kind = "dn"
  name = "Fuel"
  time_s = 90
  lat = 21.6947
  lon = 40.7380
  [[section.waypoint]]
  km = 9.5
  kind = "fn"
  name = "Fuel"
  lat = 21.6989
  lon = 40.7390
  [[section.waypoint]]
  km = 14.0
  kind = "ass"
  name = "ASS"
  lat = 21.7362
  lon = 40.7480

[[section]]
kind = "liaison"
name = "Home"
length_km = 3.0
"""
OVER_KM, OVER_TO_KM, OVER_KMH = 4.6, 5.2, 66.0
CAR = configs.Car(71, "Test car", "Stock", ("A. Driver", "B. Navigator"))


def plan(seconds: int = 600, *, over: bool = True) -> Plan:
    """Plan a drive: the section in `seconds` of counted time; with `over`, once above the limit in its zone."""
    overspeeds = (Overspeed(0, OVER_KM, OVER_TO_KM, OVER_KMH),) if over else ()
    return planning.plan(load(ITINERARY, "short"), Orders(elapsed_s={"ASS": seconds}, overspeeds=overspeeds))


def fixes(drive: Plan, hz: int = 5) -> list[Fix]:
    """Fixes of a perfect receiver with 50 ms delay."""
    times_s = np.arange(0, int(drive.drive.end_s) * hz) / hz
    seen = drive.drive.sample(times_s)
    return [
        Fix(
            round(t * 1e6) + 50_000,
            round((drive.drive.utc_s + t) * 1e6),
            lat,
            lon,
            900.0,
            mps,
            course,
            1,
            11,
            0.9,
        )
        for t, lat, lon, mps, course in zip(
            *(c.tolist() for c in (times_s, seen.lat, seen.lon, seen.speed_mps, seen.course_deg)), strict=True
        )
    ]


class Readings(EngineReadings):
    """Battery voltage and revolutions, once per second."""

    def __init__(self) -> None:
        super().__init__([])

    def tick(self, t_us: int) -> list[Reading]:
        if t_us % 1_000_000:
            return []
        battery_v, rpm = Channel("battery_v", "V", "test"), Channel("rpm", "1/min", "test")
        return [Reading(t_us, battery_v, 13.0 + t_us / 1e9), Reading(t_us, rpm, 3000.0)]


class DrivenReadings(EngineReadings):
    """The virtual engine of a drive, five times per second: revolutions, gear, throttle and brake."""

    CHANNELS = (
        Channel("rpm", "1/min", "car.dbc:ENGINE"),
        Channel("gear", "", "car.dbc:ENGINE"),
        Channel("throttle_pct", "%", "car.dbc:ENGINE"),
        Channel("brake_bar", "bar", "car.dbc:WHEELS"),
    )

    def __init__(self, drive: Plan, every_us: int = 200_000, brake_after_us: int = 0) -> None:
        """Rows come each `every_us`; the brake's value comes `brake_after_us` after the others, and is of that time."""
        super().__init__([])
        self._every_us, self._brake_after_us = every_us, brake_after_us
        times_s = np.arange(0, drive.drive.end_s, 0.2)
        states = Engine(drive.drive).sample(times_s)
        columns = [np.round(getattr(states, channel.name), 1).tolist() for channel in self.CHANNELS]
        self._values = list(zip(*columns, strict=True))

    def tick(self, t_us: int) -> list[Reading]:
        number = t_us // 200_000
        if number >= len(self._values):
            return []
        return [
            Reading(t_us, channel, value)
            for channel, value in zip(self.CHANNELS, self._values[number], strict=True)
            if (t_us - self._brake_after_us * (channel.name == "brake_bar")) % self._every_us == 0
        ]


def write_log(
    path: Path,
    seen: Sequence[Fix],
    car: configs.Car = CAR,
    itinerary: str = ITINERARY,
    commands: Sequence[tuple[int, str]] = (),
    readings: EngineReadings | None = None,
) -> Path:
    """Write a log of fixes, and of the crew's commands at their times, with the recorder's pipeline and store."""
    stage = stage_files.stage_of(itinerary, "short")
    source = Source("gps", fixes=RecordedFixes(seen))
    pipeline = Pipeline([source], readings or Readings(), stage.live(car.class_name))
    meta = setup.describe(configs.Config(car=car), stage, {})
    with BulkLog(path) as log:
        log.begin_session(SessionStart("test", "", "test", ""), meta)
        end_us = seen[-1].t_us if seen else 1_000_000
        for t_us, name in commands:
            pipeline.advance(t_us)
            pipeline.command(t_us, name, {})
        pipeline.finish(end_us)
        pipeline.event(end_us, "session_end", {"reason": "stopped"})
        log.put(pipeline.take())
    return path


def write_nmea(path: Path, seen: Sequence[Fix]) -> Path:
    """Write the drive as NMEA sentences."""
    path.write_bytes(b"".join(_sentences(seen)))
    return path


def _sentences(seen: Sequence[Fix]) -> Iterator[bytes]:
    for fix in seen:
        assert (
            fix.utc_us is not None
            and fix.lat is not None
            and fix.lon is not None
            and fix.speed_mps is not None
        )
        moment = datetime.fromtimestamp(fix.utc_us / 1e6, UTC)
        clock = f"{moment:%H%M%S}.{moment.microsecond // 10_000:02d}"
        place = f"{_degrees(fix.lat, 2)},N,{_degrees(fix.lon, 3)},E"
        yield encode(f"GNRMC,{clock},A,{place},{fix.speed_mps / 0.514444:.4f},0.0,{moment:%d%m%y},,,A")
        yield encode(f"GNGGA,{clock},{place},1,11,0.9,900.0,M,0.0,M,,")


def _degrees(value: float, digits: int) -> str:
    return f"{int(value):0{digits}d}{(value - int(value)) * 60:010.7f}"


def write_gpx(path: Path, seen: Sequence[Fix]) -> Path:
    """Write the drive as another device's track, without speed."""
    points = "".join(
        f'<trkpt lat="{fix.lat:.8f}" lon="{fix.lon:.8f}"><ele>900</ele>'
        f"<time>{datetime.fromtimestamp((fix.utc_us or 0) / 1e6, UTC).isoformat()}</time></trkpt>"
        for fix in seen
    )
    path.write_text(f'<?xml version="1.0"?><gpx version="1.1"><trk><trkseg>{points}</trkseg></trk></gpx>')
    return path
