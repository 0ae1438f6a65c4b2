"""CPU of the crew server at 10 Hz, with no page open and with three.

Recorder, crew server, receiver and adapter are separate processes. A page is a client that reads the stream of
server-sent events; the browser's own work is measured in tests/bench/page.py.
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
"""Until the ports are open and the server has connected to the recorder."""
ROOM_S = 600.0
"""The bus sends this much longer than the measurement, because start-up may be slow."""


def crew_cpu(options: argparse.Namespace) -> Iterator[Row]:
    """CPU of the crew server at 10 Hz, idle and with three pages, and the snapshot rate of a page."""
    runs = [measure(max(60.0, options.minutes * 60)) for _ in range(options.runs)]
    idle, busy, rates = zip(*runs, strict=True)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    yield "crew server, no page", f"{100 * statistics.median(idle):.2f} % of one core ({load})"
    yield (
        f"crew server, {PAGES} pages",
        f"{100 * statistics.median(busy):.2f} % of one core, min {min(rates):.1f} snapshots/s per page",
    )


def measure(seconds: float) -> tuple[float, float, float]:
    """Share of one core without and with pages, and the lowest snapshot rate of a page, per second."""
    with folder() as bench_folder:
        gps = Feeder("tests.bench.gps", str(GPS_HZ))
        can = Feeder("tests.bench.wire", "slcan", str(int(CAN_RATE * (2 * seconds + ROOM_S))), str(CAN_RATE))
        bus = Bus("engine", can.port, dbc="bus.dbc")
        itinerary = stages.stage(demo.STAGE).itinerary_text
        config = configure(bench_folder, gps=gps.port, buses=(bus,), itinerary=itinerary, is_live=True)
        (bench_folder / "bus.dbc").write_text(dbc({can_id: (f"value_{n}",) for n, can_id in enumerate(IDS)}))
        try:
            with process("run", config), process("serve", config) as crew:
                parts = urlsplit(address(crew.stderr))
                gps.go()
                can.go()
                time.sleep(WARM_UP_S)
                _start_timed(bench_folder / "live.sock")
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
    """Start the long section, so that every snapshot contains its waypoints."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(live))
        connection.sendall(b'{"command": "start_section", "index": 1}\n')
        time.sleep(1.0)


def _share(pid: int, seconds: float) -> float:
    """The share of one core that a process uses over the next `seconds`."""
    before, began = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(pid) - before) / (time.monotonic() - began)


class Page:
    """A page's connection: a thread counts the snapshots that arrive."""

    def __init__(self, host: str, port: int) -> None:
        self.snapshots = self.received_bytes = 0
        self._connection = HTTPConnection(host, port, timeout=30)
        self._connection.request("GET", "/api/live/stream")
        self._thread = threading.Thread(target=self._read, name="page")
        self._closing = False
        self._thread.start()

    def _read(self) -> None:
        response = self._connection.getresponse()
        while not self._closing:
            line = response.readline()
            self.snapshots += line.startswith(b"data:")
            self.received_bytes += len(line)

    def close(self) -> None:
        """Disconnect after the next line."""
        self._closing = True
        self._thread.join()
        self._connection.close()
