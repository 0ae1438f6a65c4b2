"""A half-minute drive with every kind of stage mark, and a crew client for the live socket."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from firmware_bridge.virtual.car import VirtualCar
from firmware_bridge.virtual.drive import Drive
from logger.config import configuration as configs
from logger.demo import stages
from logger.demo.stages import BuiltInStage, CarPlan
from logger.recorder.daemon import Recorder
from tests.field_failures.recorder_process import until

STAGE, CAR = "dakar-2026-11", "baciuska"
START_S = 15_350.0
"""Within the car's day: gravel before the first checkpoint, 80 to 130 km/h."""
MARKS_S = (("dss", 2.0), ("wpm", 4.0), ("dz", 6.0), ("fz", 12.0), ("cp", 14.0), ("ass", 20.0))
"""Times at which the car passes the marks of the short stage, after its start."""
ZONE_KMH = 50
START_WITHIN_S = 60.0
"""Time limit for a recorder's start on a loaded machine; alone it takes a second."""
HEAD = """\
[stage]
event = "Test"
number = 3
name = "Half a minute"

"""
SECTION = """\
[[section]]
kind = "{kind}"
name = "{name}"
length_km = {length_km:.3f}

"""
WAYPOINT = """\
  [[section.waypoint]]
  km = {km:.3f}
  kind = "{kind}"
  lat = {lat:.6f}
  lon = {lon:.6f}
  clear_m = 20
"""
CONFIG = """\
[car]
number = 7
class = "Stock"

[log]
directory = "logs"

[gps]
port = "{gps}"
baud = 115200

[[can]]
name = "engine"
port = "{can}"
protocol = "slcan"
baud = 2000000
bitrate = 500000
dbc = ["engine.dbc"]

[stage]
itinerary = "stage.toml"

[live]
socket = "live.sock"
"""


@cache
def built_in() -> tuple[BuiltInStage, CarPlan, Drive]:
    """The built-in stage, a car on it, and that car's whole day."""
    stage = stages.stage(STAGE)
    car = stage.car(CAR)
    return stage, car, stages.drive(stage, car)


def short_stage() -> str:
    """An itinerary along the drive from START_S on: a timed section with a speed zone, then a liaison."""
    drive = built_in()[2]
    start, *_, finish = (drive.at(START_S + s) for _, s in MARKS_S)
    text = HEAD + SECTION.format(
        kind="selective", name="SS", length_km=(finish.distance_m - start.distance_m) / 1000
    )
    for kind, after_s in MARKS_S:
        here = drive.at(START_S + after_s)
        km = (here.distance_m - start.distance_m) / 1000
        text += WAYPOINT.format(km=km, kind=kind, lat=here.lat, lon=here.lon)
        if kind == "dz":
            text += f"  speed_kmh = {ZONE_KMH}\n"
    return text + SECTION.format(kind="liaison", name="Home", length_km=50.0)


def set_up(folder: Path, car: VirtualCar, itinerary: str = "", more: str = "") -> Path:
    """The configuration of a car on the short or another stage; `more` is added to its last table, `live`."""
    return set_up_at(folder, car.gps_port, car.can_port, itinerary, more)


def set_up_at(folder: Path, gps: str, can: str, itinerary: str = "", more: str = "") -> Path:
    """Like `set_up`, with any two ports."""
    (folder / "stage.toml").write_text(itinerary or short_stage(), encoding="utf-8")
    (folder / "engine.dbc").write_text(built_in()[0].dbc_text, encoding="utf-8")
    path = folder / "stagelog.toml"
    path.write_text(CONFIG.format(gps=gps, can=can) + more, encoding="utf-8")
    return path


class Crew:
    """A client of the live socket: sends commands, reads what arrives, in order."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        until(lambda: self._connects(path), START_WITHIN_S)
        self._lines = self._socket.makefile("rb")
        self._number = 0
        self._socket.settimeout(START_WITHIN_S)

    def _connects(self, path: Path) -> bool:
        try:
            self._socket.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send any bytes."""
        self._socket.sendall(data)

    def next(self) -> dict[str, Any]:
        """The next line; AssertionError when the recorder closes the connection or sends nothing."""
        line = self._lines.readline()
        assert line.endswith(b"\n"), "disconnected"
        message = json.loads(line)
        assert isinstance(message, dict)
        return message

    def snapshot(self) -> dict[str, Any]:
        """The next snapshot."""
        while "answer" in (message := self.next()):
            pass
        return message

    def command(self, name: str, /, **arguments: Any) -> str | None:
        """Send a command and wait for the answer: None, or the error."""
        self._number += 1
        self.send(json.dumps({"command": name, "id": self._number, **arguments}).encode() + b"\n")
        while (message := self.next()).get("answer") != self._number:
            pass
        assert message["ok"] is ("error" not in message)
        error = message.get("error")
        assert error is None or isinstance(error, str)
        return error


@contextmanager
def recorder_here(config: Path) -> Iterator[Recorder]:
    """The recorder in a thread of this process, stopped properly at the end."""
    recorder = Recorder(configs.load(config))
    stop = threading.Event()
    thread = threading.Thread(target=recorder.run, args=(stop,), name="decoder")
    thread.start()
    try:
        yield recorder
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


@contextmanager
def burning() -> Iterator[None]:
    """Run a busy thread meanwhile, which disturbs timing as a loaded machine does."""
    stop = threading.Event()

    def burn() -> None:
        while not stop.is_set():
            sum(range(20_000))

    thread = threading.Thread(target=burn)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_until(moment: float) -> None:
    """Sleep until a moment of the monotonic clock."""
    time.sleep(max(0.0, moment - time.monotonic()))
