"""Demonstration: a virtual car on real pseudo-terminals, recorded by the real recorder.

Its folder has the same files as a car's: a configuration, the itinerary, the DBC file and the logs. The drive
is the built-in stage's, from a minute before the first checkpoint; within five minutes it passes the checkpoint
and a speed zone (with one over-speed), loses GPS for a while, and snaps its alternator belt.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from firmware_bridge.errors import DeviceError
from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.drive import Drive
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.receiver import GpsReceiver
from logger.boundary.terminal import echo
from logger.boundary.whole_file import write_whole
from logger.config import configuration as configs
from logger.demo import stages
from logger.demo.crew_page import CrewPage, has_server
from logger.demo.planning import Overspeed, Plan
from logger.demo.simulate import record_drive
from logger.demo.stages import BuiltInStage, CarPlan
from logger.logfile import naming
from logger.recorder import stage_files
from logger.recorder.daemon import Recorder, RecorderStatus

STAGE = "dakar-2026-11"
CAR = "baciuska"
TOO_FAST = Overspeed(1, 44.6, 45.3, 66)
"""An over-speed added for the demonstration, so that the page shows one: the winner's own drive has none."""
FIRST_CHECKPOINT = "cp"
LEAD_IN_S = 60.0
"""The demonstration begins this long before the first checkpoint."""
GPS_LOST_S = (170.0, 190.0)
"""Seconds of the demonstration without GPS: after the speed zone, long enough for the wheels to take over."""
BELT_SNAPS_S = 215.0
"""Second of the demonstration: the alarm, delayed by ten seconds, comes before the end of the fourth minute."""
EARLIER_GPS_HZ, EARLIER_CAN_RATE = 1, 5
"""Rates at which the earlier part of the stage is logged, so that it takes only some seconds."""
USUAL_PORT = 8040
_REPORT_EVERY_S = 1.0

CONFIGURATION = """\
# Configuration of the demonstration, like a car's; its ports are pseudo-terminals that exist while it runs.

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
    """A drive to be recorded from `start_s` on; `log` already has the earlier part."""

    folder: Path
    built_in: BuiltInStage
    car: CarPlan
    drive: Drive
    start_s: float
    log: Path


def prepare(folder: Path, progress: Callable[[float], None], later_s: float = 0.0) -> Demonstration:
    """Plan the drive and write its earlier part into a new log; `progress` is called with the share done.

    `later_s`: begin the demonstration this much later, to skip waiting.
    """
    built_in, car = stages.stage(STAGE), driven()
    day = stages.plan(built_in, car)
    start_s = start_of(day) + later_s
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    log = naming.next_free(logs, naming.stem(stage_files.stage_key(built_in.itinerary), car.number))
    record_drive(log, built_in, car, day.drive, EARLIER_GPS_HZ, EARLIER_CAN_RATE, start_s, progress)
    return Demonstration(folder, built_in, car, day.drive, start_s, log)


def run(
    demo: Demonstration,
    gps_hz: int,
    can_rate: int,
    stop: threading.Event,
    ready: Callable[[str], None],
    report: Callable[[RecorderStatus], None],
    *,
    reserved: socket.socket | None = None,
    relay: Callable[[str], None] | None = None,
) -> None:
    """Drive, record and serve until `stop` or the end of the stage.

    `ready` is called with the crew page's address when it is ready, `report` with the recorder's state each second,
    `relay` with each line that the crew page's process prints; by default it is printed. `reserved` holds the page's
    port, by default that of `reserve_port(None)`, and is closed at the end. Raises DeviceError if the page's process
    ends early.
    """
    with (
        reserved or reserve_port(None) as page_port,
        VirtualCar(
            demo.drive,
            start_s=demo.start_s,
            receiver=receiver(demo.drive, demo.start_s, gps_hz),
            engine=engine(demo.drive, demo.start_s),
            can_rate=can_rate,
            directory=demo.folder,
        ) as virtual,
    ):
        port = int(page_port.getsockname()[1])
        configuration = set_up(demo, virtual, port)
        recorder = Recorder(configs.load(configuration))
        crew = CrewPage(configuration, relay)
        next_report_us, is_served, is_ending = 0, False, False
        page_is_gone = threading.Event()

        def on_round() -> None:
            nonlocal next_report_us, is_served, is_ending
            if not is_served and has_server(port):
                is_served = True
                ready(f"http://127.0.0.1:{port}/")
            if recorder.origin.t_us() >= next_report_us:
                next_report_us = recorder.origin.t_us() + int(_REPORT_EVERY_S * 1e6)
                report(recorder.status())
            if not is_ending and (stop.is_set() or virtual.now_s >= demo.drive.end_s):
                is_ending = True
                crew.terminate()
            if crew.has_ended():
                page_is_gone.set()

        try:
            recorder.run(page_is_gone, on_round)  # the page stops first, or it would report a lost recorder
        finally:
            crew.terminate()
            crew.wait()
        if not is_ending:
            hint = "its own message is above; start the demo again"
            raise DeviceError("the crew page has ended", where=f"127.0.0.1:{port}", hint=hint)


def driven() -> CarPlan:
    """Return the car of the demonstration: the winner's, with one over-speed added."""
    car = stages.stage(STAGE).car(CAR)
    return replace(car, orders=replace(car.orders, overspeeds=(TOO_FAST,)))


def start_of(day: Plan) -> float:
    """Return when, in a planned day, the demonstration begins."""
    checkpoint = next(passage for passage in day.passages if passage.kind == FIRST_CHECKPOINT)
    return checkpoint.t_s - LEAD_IN_S


def receiver(drive: Drive, start_s: float, gps_hz: int) -> GpsReceiver:
    """Return the car's receiver, which loses GPS for a while."""
    lost_s = (start_s + GPS_LOST_S[0], start_s + GPS_LOST_S[1])
    return GpsReceiver(drive, gps_hz, seed=drive.utc_s, dropouts=[lost_s])


def engine(drive: Drive, start_s: float) -> Engine:
    """Return the car's engine, whose alternator belt snaps."""
    return Engine(drive, belt_snaps_s=start_s + BELT_SNAPS_S)


def reserve_port(wanted: int | None) -> socket.socket:
    """Bind the crew page's port: the `wanted` one (0: any free one), else the usual one, or a free one with a notice.

    While the socket is open, which never listens, no other program is given the port, and the page can bind it.
    Raises DeviceError if the wanted port is taken.
    """
    try:
        return _bound(USUAL_PORT if wanted is None else wanted)
    except OSError as error:
        if wanted is not None:
            hint = "choose another --port, or leave it out: a free one is found"
            what = f"cannot serve there: {error.strerror}"
            raise DeviceError(what, where=f"127.0.0.1:{wanted}", hint=hint) from error
    reserved = _bound(0)
    echo(f"{USUAL_PORT} is busy, using {reserved.getsockname()[1]}", err=True)
    return reserved


def _bound(port: int) -> socket.socket:
    """Bind a port of this machine, as the page's server does: with SO_REUSEADDR. Raises OSError if it is taken."""
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        raise
    return bound


def set_up(demo: Demonstration, virtual: VirtualCar, http_port: int) -> Path:
    """Write the configuration and the files that it refers to; return its path."""
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
