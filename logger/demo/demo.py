"""The demonstration: a virtual car on real pseudo-terminals, recorded by the real recorder.

It leaves behind a folder as a car has one: a configuration, the itinerary, the DBC file and the logs. The drive
is the built-in stage's, from a minute before the first checkpoint; within five minutes it passes the checkpoint
and a speed zone (too fast, once), loses GPS for a while, and snaps its alternator belt.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from firmware_bridge.errors import DeviceError
from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.drive import Drive
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.receiver import GpsReceiver
from logger.boundary.whole_file import write_whole
from logger.config import configuration as configs
from logger.demo import stages
from logger.demo.planning import Overspeed, Plan
from logger.demo.simulate import record_drive
from logger.demo.stages import BuiltInStage, CarPlan
from logger.logfile import naming
from logger.recorder import setup
from logger.recorder.daemon import Recorder, RecorderStatus

STAGE = "dakar-2026-11"
CAR = "baciuska"
TOO_FAST = Overspeed(1, 44.6, 45.3, 66)
"""The demonstration's own, so that the page has one to show: the winner's logs of the stage have none."""
FIRST_CHECKPOINT = "cp"
LEAD_IN_S = 60.0
"""The demonstration begins so long before the first checkpoint."""
GPS_LOST_S = (170.0, 190.0)
"""Within the demonstration: past the speed zone, and long enough for the wheels to take over."""
BELT_SNAPS_S = 215.0
"""Within the demonstration: the alarm, which waits ten seconds, comes before its fourth minute is over."""
EARLIER_GPS_HZ, EARLIER_CAN_RATE = 1, 5
"""The stage so far goes into the log at these rates: it is there in some seconds."""
USUAL_PORT = 8040
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

[serve]
port = {http_port}
state = "state"
"""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A drive that is about to be recorded, from `start_s` on; what was driven before is in `log` already."""

    folder: Path
    built_in: BuiltInStage
    car: CarPlan
    drive: Drive
    start_s: float
    log: Path


def prepare(folder: Path, progress: Callable[[float], None], later_s: float = 0.0) -> Demonstration:
    """Plan the drive and put the stage so far into a new log; `progress` is told the share done.

    `later_s` is for who does not want to wait: the demonstration begins so much later.
    """
    built_in, car = stages.stage(STAGE), driven()
    day = stages.plan(built_in, car)
    start_s = start_of(day) + later_s
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = naming.next_free(logs, naming.stem(setup.stage_key(built_in.itinerary), car.number))
    record_drive(log, built_in, car, day.drive, EARLIER_GPS_HZ, EARLIER_CAN_RATE, start_s, progress)
    return Demonstration(folder, built_in, car, day.drive, start_s, log)


def run(
    demo: Demonstration,
    gps_hz: int,
    can_rate: int,
    stop: threading.Event,
    ready: Callable[[str], None],
    report: Callable[[RecorderStatus], None],
) -> None:
    """Drive, record and serve until `stop` or the end of the stage.

    `ready` is told the crew page's address as soon as it can be opened, `report` the recorder's state once a second.
    """
    with VirtualCar(
        demo.drive,
        start_s=demo.start_s,
        receiver=receiver(demo.drive, demo.start_s, gps_hz),
        engine=engine(demo.drive, demo.start_s),
        can_rate=can_rate,
        directory=demo.folder,
    ) as virtual:
        http_port = _free_port()
        configuration = set_up(demo, virtual, http_port)
        recorder = Recorder(configs.load(configuration))
        crew = subprocess.Popen([sys.executable, "-m", "logger", "serve", "-c", str(configuration)])  # noqa: S603
        next_report_us, is_served, is_ending = 0, False, False
        page_is_gone = threading.Event()

        def on_round() -> None:
            nonlocal next_report_us, is_served, is_ending
            if not is_served and _answers(http_port):
                is_served = True
                ready(f"http://127.0.0.1:{http_port}/")
            if recorder.origin.t_us() >= next_report_us:
                next_report_us = recorder.origin.t_us() + int(_REPORT_EVERY_S * 1e6)
                report(recorder.status())
            if not is_ending and (stop.is_set() or virtual.now_s >= demo.drive.end_s):
                is_ending = True
                crew.terminate()
            if is_ending and crew.poll() is not None:
                page_is_gone.set()

        try:
            recorder.run(page_is_gone, on_round)  # the page goes first, or it would tell of a lost recorder
        finally:
            crew.terminate()
            crew.wait()


def driven() -> CarPlan:
    """The car of the demonstration: the winner's, ordered to be too fast once."""
    car = stages.stage(STAGE).car(CAR)
    return replace(car, orders=replace(car.orders, overspeeds=(TOO_FAST,)))


def start_of(day: Plan) -> float:
    """When, in a planned day, the demonstration begins."""
    checkpoint = next(passage for passage in day.passages if passage.kind == FIRST_CHECKPOINT)
    return checkpoint.t_s - LEAD_IN_S


def receiver(drive: Drive, start_s: float, gps_hz: int) -> GpsReceiver:
    """The car's receiver, which loses GPS for a while."""
    lost_s = (start_s + GPS_LOST_S[0], start_s + GPS_LOST_S[1])
    return GpsReceiver(drive, gps_hz, seed=drive.utc_s, dropouts=[lost_s])


def engine(drive: Drive, start_s: float) -> Engine:
    """The car's engine, whose alternator belt snaps."""
    return Engine(drive, belt_snaps_s=start_s + BELT_SNAPS_S)


def _answers(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    """The crew page's usual port, or any other that is free."""
    for wanted in (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DeviceError("no free TCP port", where="127.0.0.1", hint="close a program that listens")


def set_up(demo: Demonstration, virtual: VirtualCar, http_port: int) -> Path:
    """Write the configuration and the files that it names; returns its path."""
    folder, built_in, car = demo.folder, demo.built_in, demo.car
    write_whole(folder / "stage.toml", built_in.itinerary_text)
    write_whole(folder / "demo_engine.dbc", built_in.dbc_text)
    path = folder / "stagelog.toml"
    write_whole(
        path,
        CONFIGURATION.format(
            number=car.number,
            name=car.name,
            class_name=car.car_class,
            crew=", ".join(f'"{member}"' for member in car.crew),
            gps_port=Path(virtual.gps_port).absolute(),
            can_port=Path(virtual.can_port).absolute(),
            http_port=http_port,
        ),
    )
    return path
