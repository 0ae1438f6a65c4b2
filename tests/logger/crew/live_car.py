"""A driving car for the crew server: the real live computation on the real live socket.

It drives the built-in stage along its plan. A receiver at 10 Hz and an engine feed a real LiveStage, whose snapshots
and commands go through the recorder's own LiveSocket. Only ports and log are left out: tests set their state.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from firmware_bridge.records import Channel, Fix, Reading
from firmware_bridge.virtual.drive import Drive
from logger.demo import stages
from logger.live.document import document
from logger.live.encoding import LineEncoder
from logger.recorder.live_socket import LiveSocket
from logger.recorder.protection import COMMAND as PROTECT
from logger.recorder.protection import Protection
from logger.stage.live_stage import LiveStage
from logger.stage.rules import default_rules

STAGE = "dakar-2026-11"
SS11, SS11_FROM_M = 1, 320_000.0
HZ = 10
UNITS = {
    "rpm": "1/min",
    "battery_v": "V",
    "coolant_c": "degC",
    "oil_bar": "bar",
    "oil_c": "degC",
    "fuel_pct": "%",
}
HEALTHY = {
    "rpm": 3450.0,
    "battery_v": 14.1,
    "coolant_c": 91.0,
    "oil_bar": 4.2,
    "oil_c": 104.0,
    "fuel_pct": 63.0,
}


@cache
def _drive() -> Drive:
    built_in = stages.stage(STAGE)
    return stages.drive(built_in, built_in.cars[0], SS11)


class LiveCar:
    """The winner's car from a kilometre of SS11 on; `recorder_*` and `engine` may be set while it drives."""

    def __init__(self, live_socket: Path, km: float) -> None:
        built_in = stages.stage(STAGE)
        rules = default_rules()
        self.engine = dict(HEALTHY)
        self.recording: dict[str, Any] = {"path": "stage.db", "rows": 1_234_567, "frames": 1_200_000, "lag_s": 0.2,
            "dropped": 0, "free_bytes": 21_000_456_789, "free_mb": 21_000, "room_h": 40.5, "ok": True,
            "trouble": None}  # fmt: skip
        self.links = {
            name: {
                "kind": "gps" if name == "gps" else "can",
                "state": "open",
                "detail": "",
                "warning": None,
                "age_s": 100.0,
                "good": 1000,
                "bad": 0,
                "foreign_bytes": 0,
            }
            for name in ("gps", "engine")
        }
        self.stick: dict[str, Any] = {"state": None, "detail": None, "age_s": None}
        self.logs: Path | None = None
        """The folder whose logs the crew may protect."""
        self.gps_lost = False
        self.faster_kmh = 0.0
        self.commands: list[dict[str, Any]] = []
        self.refused: list[int] = []
        self.history: deque[dict[str, Any]] = deque(maxlen=30)
        self.socket = live_socket
        self._live = LiveStage(built_in.itinerary, rules, rules.alarms, class_name=built_in.cars[0].car_class)
        self._lock = threading.Lock()
        self._listening: LiveSocket | None = None
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()
        self._hang = threading.Event()
        self._live.command(0, "start_section", {})  # the liaison before it, which has ended
        self._live.command(0, "finish_section", {})
        drive = _drive()
        reached_s = drive.time_at(SS11_FROM_M + km * 1000)
        for second in range(int(reached_s)):  # the way to here, one fix per second
            self._live.fix(self._fix(float(second)))
            self._live.tick(second * 1_000_000)
        self._began_s = time.monotonic() - int(reached_s)

    def __enter__(self) -> LiveCar:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    def connect(self) -> None:
        """Bind the recorder's socket and send snapshots."""
        self._stop.clear()
        self._listening = LiveSocket(self.socket, self._obey, self.refused.append)
        self._threads = [
            threading.Thread(target=self._listening.run, name="live socket"),
            threading.Thread(target=self._follow, args=(self._listening,), name="car"),
        ]
        for thread in self._threads:
            thread.start()

    def disconnect(self) -> None:
        """Close the recorder's socket."""
        self._stop.set()
        self._hang.clear()
        if self._listening is not None:
            self._listening.close()
        for thread in self._threads:
            thread.join()
        self._threads = []

    @property
    def published(self) -> dict[str, Any]:
        """The newest snapshot sent."""
        return self.history[-1]

    def hang(self) -> None:
        """Keep the socket open but send nothing more, until `resume`."""
        self._hang.set()

    def resume(self) -> None:
        self._hang.clear()

    def do(self, action: Callable[[LiveStage, int], None]) -> None:
        """Run `action` on the live stage now."""
        with self._lock:
            action(self._live, self._t_us())

    def _t_us(self) -> int:
        return int((time.monotonic() - self._began_s) * 1e6)

    def _fix(self, t_s: float) -> Fix:
        moment, t_us = _drive().at(t_s), int(t_s * 1e6)
        utc_us = _drive().utc_s * 1_000_000 + t_us
        mps = moment.speed_mps + self.faster_kmh / 3.6
        return Fix(t_us, utc_us, moment.lat, moment.lon, 600.0, mps, moment.course_deg, 1, 12, 0.8)

    def _follow(self, live_socket: LiveSocket) -> None:
        encoder = LineEncoder()
        while not self._stop.wait(1 / HZ):
            with self._lock:
                t_us = self._t_us()
                fix = self._fix(t_us / 1e6)
                if self.gps_lost:
                    fix = fix._replace(lat=None, lon=None, speed_mps=None, course_deg=None, quality=0)
                self._live.fix(fix)
                self._live.readings(
                    Reading(t_us, Channel(name, UNITS[name], "test"), value)
                    for name, value in self.engine.items()
                )
                self._live.tick(t_us)
                self._live.take_events()
                snapshot = document(self._live.snapshot(t_us))
            if not self._hang.is_set():
                own = {
                    "session": 1,
                    "recording": dict(self.recording),
                    "links": dict(self.links),
                    "stick": self.stick,
                }
                self.history.append(snapshot | own)
                live_socket.publish(lambda: encoder.line(self.published))

    def _obey(self, fields: dict[str, Any], reply: Callable[[str | None], None]) -> None:
        self.commands.append(dict(fields))
        name = fields.pop("command")
        if name == PROTECT and self.logs is not None:
            Protection(self.logs, lambda *_: None).take(fields, reply)
            return
        try:
            with self._lock:
                self._live.command(self._t_us(), name, fields)
        except ValueError as error:
            reply(str(error))
        else:
            reply(None)
