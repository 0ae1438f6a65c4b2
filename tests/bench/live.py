"""Latency from the wire to the live socket, and the recorder's CPU with live state.

This process simulates a 10 Hz receiver and an adapter, so it knows when each value went onto the wire; the first
snapshot with the value ends the measurement. Engine values are read at 10 Hz; the adapter's period differs from 0.1 s,
so that frames arrive at every phase between two readings.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import time
import tty
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.protocols import slcan_line
from firmware_bridge.records import CanFrame
from tests.bench.configuration import Bus, configure
from tests.bench.gps import epoch
from tests.bench.recorder import Feeder, cpu_s, folder
from tests.bench.wire import IDS

Row = tuple[str, str]
GPS_HZ = 10
CAN_PERIOD_S = 0.0973
"""Period of the measured frame: about 10 Hz, and not a multiple of the recorder's period."""
COUNTER_ID = 0x77
SATURATED_FRAMES_PER_S = 9_000
WARM_UP_S = 5.0
"""Until the ports are open, the order of sentences is known, and the listener is connected."""
KM_PER_DEGREE = 60 * 1.852


@dataclass(slots=True)
class Measured:
    """Seconds from the wire to the socket, and the recorder's share of one core."""

    gps_s: list[float] = field(default_factory=list)
    engine_s: list[float] = field(default_factory=list)
    core: float = 0.0


def live(options: argparse.Namespace) -> Iterator[Row]:
    """Latency from the wire to the live socket at 10 Hz, alone and with a full 1 Mbit/s bus; the recorder's CPU."""
    seconds = options.minutes * 60
    loads = (
        ("alone", 0, False),
        ("alone, frames with times", 0, True),
        ("9,000 frames/s", SATURATED_FRAMES_PER_S, False),
    )
    for what, rate, is_stamped in loads:
        runs = [measure(seconds, rate, is_stamped=is_stamped) for _ in range(options.runs)]
        for name in ("gps", "engine"):
            taken = [s for run in runs for s in getattr(run, f"{name}_s")]
            yield f"wire -> live socket, {name}, {what}", percentiles(taken)
        core = statistics.median(run.core for run in runs)
        yield f"recorder with live state, {what}", f"{100 * core:.1f} % of one core"


def percentiles(taken: list[float]) -> str:
    """Format times in seconds as median, 99th percentile and maximum, in ms."""
    taken = sorted(taken)
    at = {share: taken[min(len(taken) - 1, int(share * len(taken)))] for share in (0.5, 0.99)}
    return (
        f"{1000 * at[0.5]:.0f} ms median, {1000 * at[0.99]:.0f} ms at 99 %, max {1000 * taken[-1]:.0f} ms"
        f" ({len(taken)} values)"
    )


def measure(seconds: float, rate: int, *, is_stamped: bool = False) -> Measured:
    """One run of the recorder; `rate` is the load of a second bus, in frames per second. `is_stamped`: the adapter of
    the measured frames stamps them, so they are read less often."""
    with folder() as place, _ports() as (gps, can):
        feeder = (
            Feeder("tests.bench.wire", "slcan", str(int(rate * (seconds + 60))), str(rate)) if rate else None
        )
        counter = Bus("counter", os.ttyname(can[1]), dbc="counter.dbc")
        full = (Bus("bus", feeder.port, bitrate=1_000_000, dbc="bus.dbc"),) if feeder else ()
        port = os.ttyname(gps[1])
        config = configure(place, gps=port, buses=(counter, *full), itinerary=itinerary(), is_live=True)
        (place / "counter.dbc").write_text(dbc({COUNTER_ID: ("count",)}))
        (place / "bus.dbc").write_text(
            dbc({can_id: tuple(f"s{n}_{i}" for i in range(4)) for n, can_id in enumerate(IDS)})
        )
        recorder = subprocess.Popen(
            [sys.executable, "-m", "logger", "run", "-c", str(config)],
            stderr=subprocess.PIPE,
        )
        try:
            with connected_listener(place / "live.sock") as listener:
                listener.sendall(b'{"command": "start_section"}\n')
                if feeder:
                    feeder.go()
                wires = Wires(listener, gps[0], can[0], is_stamped=is_stamped)
                wires.watch(WARM_UP_S)
                before, began = cpu_s(recorder.pid), time.monotonic()
                measured = wires.watch(seconds)
                measured.core = (cpu_s(recorder.pid) - before) / (time.monotonic() - began)
        finally:
            recorder.send_signal(signal.SIGTERM)
            recorder.communicate()
            if feeder:
                feeder.close()
    return measured


class Wires:
    """Sends on both wires and measures when the socket shows each value. The values only increase."""

    def __init__(self, listener: socket.socket, gps: int, can: int, *, is_stamped: bool) -> None:
        self._listener, self._gps, self._can = listener, gps, can
        self._stamp_digits = 4 if is_stamped else 0
        self._began = time.monotonic()
        self._epochs = self._counts = 0
        self._written: dict[str, deque[tuple[float, float]]] = {"gps": deque(), "engine": deque()}
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        for channel in (listener, gps, can):
            self._selector.register(channel, selectors.EVENT_READ)

    def watch(self, seconds: float) -> Measured:
        """Send and listen for `seconds`."""
        measured = Measured()
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            gps_at, can_at = self._began + self._epochs / GPS_HZ, self._began + self._counts * CAN_PERIOD_S
            if now >= min(gps_at, can_at):
                self._send_epoch() if gps_at <= can_at else self._send_frame()
                continue
            for key, _ in self._selector.select(max(0.0, min(gps_at, can_at, until) - now)):
                if key.fileobj is self._listener:
                    self._receive(measured)
                else:
                    os.read(key.fd, 4096)  # the host's commands need no answer
        return measured

    def _send_epoch(self) -> None:
        self._epochs += 1
        sent = epoch(self._epochs, GPS_HZ)
        lat = sent.split(b",")[3]
        os.write(self._gps, sent)
        self._written["gps"].append((int(lat[:2]) + float(lat[2:]) / 60, time.monotonic()))

    def _send_frame(self) -> None:
        self._counts += 1
        stamp_us = round(1e6 * (time.monotonic() - self._began))
        frame = CanFrame(stamp_us, 0, COUNTER_ID, self._counts.to_bytes(8, "little"))
        os.write(self._can, slcan_line.report(frame, self._stamp_digits))
        self._written["engine"].append((self._counts, time.monotonic()))

    def _receive(self, measured: Measured) -> None:
        *lines, self._rest = (self._rest + self._listener.recv(1 << 20)).split(b"\n")
        now = time.monotonic()
        for line in lines:
            snapshot = json.loads(line)
            if "answer" in snapshot:
                continue
            shown = snapshot["gps"]["lat"], snapshot["engine"].get("count", {}).get("value")
            for name, value, taken in zip(
                ("gps", "engine"), shown, (measured.gps_s, measured.engine_s), strict=True
            ):
                written = self._written[name]
                while value is not None and written and written[0][0] <= value + _ROUNDING_DEG:
                    taken.append(now - written.popleft()[1])


_ROUNDING_DEG = 1e-6
"""Rounding of a position between the wire and the socket: about 0.1 m."""


@contextmanager
def _ports() -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Two pseudo-terminals: master and slave of each."""
    pairs = os.openpty(), os.openpty()
    try:
        for _, slave in pairs:
            tty.setraw(slave)
        yield pairs
    finally:
        for fd in (fd for pair in pairs for fd in pair):
            os.close(fd)


@contextmanager
def connected_listener(path: Path) -> Iterator[socket.socket]:
    """A client of the live socket, which is waited for."""
    with socket.socket(socket.AF_UNIX) as listener:
        while True:
            try:
                listener.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.05)
        yield listener


def itinerary() -> str:
    """A section along a meridian, with a waypoint per kilometre and a speed zone every five."""
    text = '[stage]\nevent = "Bench"\nnumber = 1\nname = "North"\n'
    text += '[[section]]\nkind = "selective"\nname = "SS"\nlength_km = 100.0\n'
    for km in range(1, 100):
        kind = {3: "dz", 4: "fz"}.get(km % 5, "wpm")
        text += f'[[section.waypoint]]\nkm = {km}\nkind = "{kind}"\nlat = {20 + km / KM_PER_DEGREE:.6f}\nlon = 42.6\n'
        text += "speed_kmh = 90\n" if kind == "dz" else ""
    return text


def dbc(signals: dict[int, tuple[str, ...]]) -> str:
    """A DBC file: messages by identifier, each with signals of equal width in its eight bytes."""
    text = 'VERSION ""\n\nBU_: CAR\n\n'
    for can_id, names in signals.items():
        text += f"BO_ {can_id} M{can_id:X}: 8 CAR\n"
        bits = min(32, 64 // len(names))
        for at, name in enumerate(names):
            text += f' SG_ {name} : {at * bits}|{bits}@1+ (1,0) [0|0] "" CAR\n'
        text += "\n"
    return text
