"""A car that is held at a place of its drive for as long as one looks: real live stage, live socket and snapshots."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from firmware_bridge.virtual.drive import Drive
from logger.live.document import document
from logger.live.encoding import LineEncoder
from logger.recorder.live_socket import LiveSocket
from logger.stage.live_stage import LiveStage
from tests.logger.stage import truth

HZ = 25
PUBLISHED_EVERY_S = 0.1
BEGINS_M = 200.0
"""Where the section begins on the road of `truth.one_section`."""


class PlacedCar:
    """A drive fed at 25 fixes per second up to a place; its clock stands between one `go_to` and the next."""

    def __init__(self, live_socket: Path, live: LiveStage, drive: Drive) -> None:
        self.socket = live_socket
        self.here_m = 0.0
        self._live, self._drive = live, drive
        self._fixes = iter(truth.fixes(drive, HZ, noise=False))
        self._snapshot = document(live.snapshot(0))
        self._listening = LiveSocket(live_socket, self._obey, lambda count: None)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._listening.run, name="live socket"),
            threading.Thread(target=self._publish, name="car"),
        ]

    def __enter__(self) -> PlacedCar:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def go_to(self, metres: float) -> None:
        """Drive to the last fix before a place, in metres of the section."""
        arrives_us = truth.START_UTC_US + self._drive.time_at(BEGINS_M + metres) * 1e6
        for fix in self._fixes:
            self._live.fix(fix)
            utc_us = fix.utc_us or 0
            self.here_m = self._drive.at((utc_us - truth.START_UTC_US) / 1e6).distance_m - BEGINS_M
            if utc_us + 1e6 / HZ > arrives_us:
                self._live.tick(fix.t_us)
                self._snapshot = document(self._live.snapshot(fix.t_us))
                return

    def _publish(self) -> None:
        encoder = LineEncoder()
        while not self._stop.wait(PUBLISHED_EVERY_S):
            self._listening.publish(lambda: encoder.line(self._snapshot))

    def _obey(self, fields: dict[str, Any], reply: Callable[[str | None], None]) -> None:
        reply("the car is held at a place")
