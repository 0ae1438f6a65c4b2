"""What the crew server costs while the car is live at 10 Hz: with no page open, and with three.

Recorder and crew server are the real ones, each a process of its own; receiver and adapter are spoken from two more.
A page is here what it is to the server: a stream of server-sent events that somebody reads as it comes. What
Chromium makes of it (tests/bench/page.py) is the crew's tablet's to pay.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from logger.demo import demo, stages
from tests.bench.configuration import Bus, configure
from tests.bench.live import dbc
from tests.bench.page import address, process
from tests.bench.recorder import Feeder, cpu_s, folder
from tests.bench.wire import IDS

Row = tuple[str, str]
PAGES = 3
GPS_HZ, CAN_RATE = 10, 1_000
WARM_UP_S = 5.0
"""Ports open, the server has found the recorder."""
ROOM_S = 600.0
"""The bus is to speak for so much longer than is measured: starting up may take its time."""


def crew_cpu(options: argparse.Namespace) -> Iterator[Row]:
    """CPU of the crew server at 10 Hz, idle and with three pages; beside how many snapshots a page got a second."""
    runs = [measure(max(60.0, options.minutes * 60)) for _ in range(options.runs)]
    idle, busy, rates = zip(*runs, strict=True)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    yield "crew server, no page", f"{100 * statistics.median(idle):.2f} % of one core ({load})"
    yield (
        f"crew server, {PAGES} pages",
        f"{100 * statistics.median(busy):.2f} % of one core, {min(rates):.1f} snapshots/s to each at least",
    )


def measure(seconds: float) -> tuple[float, float, float]:
    """Share of one core without and with pages, and the snapshots a second of the page that got the fewest."""
    with folder() as place:
        gps = Feeder("tests.bench.gps", str(GPS_HZ))
        can = Feeder("tests.bench.wire", "slcan", str(int(CAN_RATE * (2 * seconds + ROOM_S))), str(CAN_RATE))
        bus = Bus("engine", can.port, dbc="bus.dbc")
        itinerary = stages.stage(demo.STAGE).itinerary_text
        config = configure(place, gps=gps.port, buses=(bus,), itinerary=itinerary, is_live=True)
        (place / "bus.dbc").write_text(dbc({can_id: (f"value_{n}",) for n, can_id in enumerate(IDS)}))
        try:
            with process("run", config), process("serve", config) as crew:
                parts = urlsplit(address(crew.stderr))
                gps.go()
                can.go()
                time.sleep(WARM_UP_S)
                _start_timed(place / "live.sock")
                idle = _share(crew.pid, seconds)
                pages = [Page(parts.hostname or "", parts.port or 0) for _ in range(PAGES)]
                time.sleep(WARM_UP_S)
                before = [page.snapshots for page in pages]
                busy = _share(crew.pid, seconds)
                seen = [page.snapshots - had for page, had in zip(pages, before, strict=True)]
                for page in pages:
                    page.close()
        finally:
            gps.close()
            can.close()
    return idle, busy, min(seen) / seconds


def _start_timed(live: Path) -> None:
    """The long section is driven: its waypoints are in every snapshot."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(live))
        line.sendall(b'{"command": "start_section", "index": 1}\n')
        time.sleep(1.0)


def _share(pid: int, seconds: float) -> float:
    """The share of one core that a process takes in the time to come."""
    before, began = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(pid) - before) / (time.monotonic() - began)


class Page:
    """One page's connection: counts the snapshots that come, in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self.snapshots = self.taken_bytes = 0
        self._connection = HTTPConnection(host, port, timeout=30)
        self._connection.request("GET", "/api/live/stream")
        self._thread = threading.Thread(target=self._read, name="page")
        self._closing = False
        self._thread.start()

    def _read(self) -> None:
        answer = self._connection.getresponse()
        while not self._closing:
            line = answer.readline()
            self.snapshots += line.startswith(b"data:")
            self.taken_bytes += len(line)

    def close(self) -> None:
        """Leave, after the line that is on its way."""
        self._closing = True
        self._thread.join()
        self._connection.close()
