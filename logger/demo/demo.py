"""The demonstration: a virtual car on real pseudo-terminals, recorded by the real recorder.

It leaves behind a folder as a car has one: a configuration, the itinerary, the DBC file and the logs. The drive
is the built-in stage's, from a minute before the first checkpoint; within five minutes it passes the checkpoint
and a speed zone (too fast, once), loses GPS for a while, and snaps its alternator belt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.receiver import GpsReceiver
from logger import config as configs
from logger.demo import stages
from logger.demo.stages import BuiltInStage, CarPlan
from logger.recording.daemon import Recorder, RecorderStatus

STAGE = "dakar-2026-11"
CAR = "price"
FIRST_CHECKPOINT = "cp"
LEAD_IN_S = 60.0
"""The demonstration begins so long before the first checkpoint."""
GPS_LOST_S = (170.0, 190.0)
"""Within the demonstration: past the speed zone, and long enough for the wheels to take over."""
BELT_SNAPS_S = 215.0
"""Within the demonstration: the alarm, which waits ten seconds, comes before its fourth minute is over."""
_REPORT_EVERY_S = 1.0

CONFIGURATION = """\
# The demonstration's set-up, as a car's would be; its ports are pseudo-terminals that exist while it runs.

[car]
number = {number}
name = "{name}"
class = "{class_name}"
crew = [{crew}]

[log]
directory = "logs"

[gps]
port = "{gps_port}"
baud = 115200

[[can]]
name = "engine"
port = "{can_port}"
protocol = "slcan"
baud = 2000000
bitrate = 500000
dbc = ["demo_engine.dbc"]

[stage]
itinerary = "stage.toml"

[live]
socket = "live.sock"
"""


def demonstrate(
    folder: Path,
    *,
    gps_hz: int,
    can_rate: int,
    stop: threading.Event,
    report: Callable[[RecorderStatus], None],
) -> Path:
    """Drive and record until `stop` or the end of the stage; `report` is called once a second. Returns the log."""
    built_in = stages.stage(STAGE)
    car = built_in.car(CAR)
    day = stages.plan(built_in, car)
    checkpoint = next(passage for passage in day.passages if passage.kind == FIRST_CHECKPOINT)
    start_s = checkpoint.t_s - LEAD_IN_S
    lost_s = tuple(start_s + moment for moment in GPS_LOST_S)
    receiver = GpsReceiver(day.drive, gps_hz, seed=day.drive.utc_s, dropouts=[(lost_s[0], lost_s[1])])
    engine = Engine(day.drive, belt_snaps_s=start_s + BELT_SNAPS_S)
    folder.mkdir(parents=True, exist_ok=True)
    with VirtualCar(
        day.drive, start_s=start_s, receiver=receiver, engine=engine, can_rate=can_rate, directory=folder
    ) as virtual:
        path = set_up(folder, built_in, car, virtual.gps_port, virtual.can_port)
        recorder = Recorder(configs.load(path))
        next_report_us = 0

        def on_round() -> None:
            nonlocal next_report_us
            if recorder.origin.t_us() >= next_report_us:
                next_report_us = recorder.origin.t_us() + int(_REPORT_EVERY_S * 1e6)
                report(recorder.status())
            if virtual.now_s >= day.drive.end_s:
                stop.set()

        recorder.run(stop, on_round)
        return recorder.status().writer.path


def set_up(folder: Path, built_in: BuiltInStage, car: CarPlan, gps_port: str, can_port: str) -> Path:
    """Write the configuration and the files that it names; returns its path."""
    (folder / "stage.toml").write_text(built_in.itinerary_text, encoding="utf-8")
    (folder / "demo_engine.dbc").write_text(built_in.dbc_text, encoding="utf-8")
    path = folder / "stagelog.toml"
    path.write_text(
        CONFIGURATION.format(
            number=car.number,
            name=car.name,
            class_name=car.car_class,
            crew=", ".join(f'"{member}"' for member in car.crew),
            gps_port=Path(gps_port).absolute(),
            can_port=Path(can_port).absolute(),
        ),
        encoding="utf-8",
    )
    return path
