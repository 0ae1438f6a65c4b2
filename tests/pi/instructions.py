"""Instructions of the recorder per second of steady state, by thread, under three loads.

Each load is recorded with everything live: an itinerary, a DBC file for all frames of the bus, the live socket. The
count begins when the recorder has recorded for a while and ends while it records, so starting and stopping are not in
it. The car's side runs natively, and at the rate of a real one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.configuration import Bus, configure
from tests.bench.live import connected_listener, dbc, itinerary
from tests.bench.recorder import Feeder, folder, rows
from tests.bench.wire import IDS
from tests.pi.counter import Counter
from tests.pi.processors import CHECKOUT, Processor

GPS_HZ = 10
LOG = "bench-1-001.db"
"""The name of the log of the benchmarks' stage."""
_START_S = 120.0
"""Time in which an emulated recorder opens its ports."""
_WARM_UP_S = 6.0
"""Until the order of sentences is known, every kind of row was committed, and every function was translated."""
_PACE_S, _PACE_WINDOW_S = 60.0, 3.0
_TOLERANCE = 0.03
"""An emulated recorder that falls behind, or catches up, does not show what a real one does at that rate."""
_TITLE = "{:<22} {:>10} {:>9} {:>8}  {}"


class Load(NamedTuple):
    """What the recorder records."""

    title: str
    frames_per_s: int
    is_heard: bool
    """Whether a client reads the live state."""

    def is_pace(self, frames_per_s: float) -> bool:
        """Whether a rate is that of the load."""
        return abs(frames_per_s - self.frames_per_s) <= _TOLERANCE * self.frames_per_s


LOADS = {
    "idle": Load("10 Hz GPS alone", 0, is_heard=False),
    "1000": Load("and 1,000 frames/s", 1_000, is_heard=True),
    "9000": Load("and 9,000 frames/s", 9_000, is_heard=True),
}


class Measured(NamedTuple):
    """A window of steady state."""

    seconds: float
    frames: int
    dropped: int
    threads: dict[str, int]
    """Instructions by the thread's name."""

    @property
    def millions_per_s(self) -> float:
        """Instructions of all threads."""
        return sum(self.threads.values()) / self.seconds / 1e6


def instructions(processor: Processor, names: list[str], seconds: float) -> bool:
    """Measure loads and print a line for each. Returns whether the emulated recorder kept pace with all of them."""
    print(_TITLE.format("load", "M instr/s", "frames/s", "dropped", "of these, by thread"))
    kept_up = True
    for load in (LOADS[name] for name in names):
        measured = measure(processor, load, seconds)
        threads = sorted(measured.threads.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{name} {count / measured.seconds / 1e6:.1f}" for name, count in threads if count)
        frames_per_s = measured.frames / measured.seconds
        print(
            _TITLE.format(
                load.title, f"{measured.millions_per_s:.1f}", f"{frames_per_s:.0f}", measured.dropped, shares
            ),
            flush=True,
        )
        kept_up &= not measured.dropped and load.is_pace(frames_per_s)
    return kept_up


def measure(processor: Processor, load: Load, seconds: float) -> Measured:
    """Record a load and count in a window of `seconds`."""
    with contextlib.ExitStack() as open_things:
        place = open_things.enter_context(folder())
        gps = open_things.enter_context(contextlib.closing(Feeder("tests.bench.gps", str(GPS_HZ))))
        buses: tuple[Bus, ...] = ()
        if load.frames_per_s:
            frames = int(load.frames_per_s * (_START_S + _PACE_S + seconds))
            arguments = ("tests.bench.wire", "slcan", str(frames), str(load.frames_per_s), "stamped")
            wire = open_things.enter_context(contextlib.closing(Feeder(*arguments)))
            buses = (Bus("bus", wire.port, bitrate=1_000_000, dbc="bus.dbc"),)
            signals = {can_id: tuple(f"s{n}_{i}" for i in range(4)) for n, can_id in enumerate(IDS)}
            (place / "bus.dbc").write_text(dbc(signals))
        config = configure(place, gps=gps.port, buses=buses, itinerary=itinerary(), is_live=True)
        log = place / "logs" / LOG
        counter = Counter(place)
        process = open_things.enter_context(_recorder(processor, config, place, counter))
        wait_for_rows(log, "event", process)
        client = Client(place / "live.sock")
        client.start_section()
        if load.is_heard:
            open_things.enter_context(client.listening())
        gps.go()
        wait_for_rows(log, "fix", process)
        if load.frames_per_s:
            wire.go()
        time.sleep(_WARM_UP_S)
        _wait_for_pace(client, load)
        before, frames_before, began = counter.by_thread(), client.frames(), time.monotonic()
        time.sleep(seconds)
        after, frames_after, took = counter.by_thread(), client.frames(), time.monotonic() - began
        names = {thread: _name(process.pid, thread) for thread in after}
        counts: dict[str, int] = {}
        for thread, count in after.items():
            counts[names[thread]] = counts.get(names[thread], 0) + count - before.get(thread, 0)
        return Measured(took, frames_after - frames_before, client.dropped(), counts)


def _wait_for_pace(client: Client, load: Load) -> None:
    """Wait until frames are recorded as fast as they are sent: while it started, some have waited."""
    ends = time.monotonic() + _PACE_S
    while time.monotonic() < ends:
        frames, began = client.frames(), time.monotonic()
        time.sleep(_PACE_WINDOW_S)
        if load.is_pace((client.frames() - frames) / (time.monotonic() - began)):
            return


class Client:
    """Reads the live state as a page of the crew does."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = b""
        self.heard = 0
        """Documents read so far."""

    def start_section(self) -> None:
        """Start the stage's first section, as the navigator does."""
        with connected_listener(self._path) as listener, listener.makefile("rb") as lines:
            listener.sendall(b'{"command": "start_section"}\n')
            while b'"answer"' not in next(lines):
                pass

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Read everything during the body."""
        with connected_listener(self._path) as listener:
            reader = threading.Thread(target=self._read, args=(listener,))
            reader.start()
            try:
                yield
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                reader.join()

    def frames(self) -> int:
        """Frames recorded so far, as the live state reports them. 0 if nobody listens."""
        return int(self._recording().get("frames") or 0)

    def dropped(self) -> int:
        """Frames and sentences dropped so far. 0 if nobody listens."""
        return int(self._recording().get("dropped") or 0)

    def _recording(self) -> dict[str, Any]:
        recording: dict[str, Any] = json.loads(self._last)["recording"] if self._last else {}
        return recording

    def _read(self, listener: socket.socket) -> None:
        with listener.makefile("rb") as lines:
            for line in lines:
                self._last = line
                self.heard += 1


@contextlib.contextmanager
def program(command: list[str], environment: dict[str, str], output: Path) -> Iterator[subprocess.Popen[str]]:
    """A program that runs until SIGTERM, sent after the body."""
    with output.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_START_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _recorder(
    processor: Processor, config: Path, place: Path, counter: Counter
) -> Iterator[subprocess.Popen[str]]:
    named = Path(__file__).with_name("named_threads.py")
    arguments = [str(named), "logger", "run", "-c", str(config)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "PYTHONSAFEPATH": "1"}
    with program(processor.python(arguments, place, counter.options), environment, place / "run") as process:
        yield process


def wait_for_rows(log: Path, table: str, process: subprocess.Popen[str]) -> None:
    """Wait for the first committed row. RuntimeError with the recorder's errors if it does not come."""
    ends = time.monotonic() + _START_S
    while not rows(log, table):
        if process.poll() is not None or time.monotonic() > ends:
            errors = (log.parents[1] / "run").read_text(errors="replace")
            raise RuntimeError(f"no row in the table {table} of {log.name}: {errors[-1000:]}")
        time.sleep(0.05)


def _name(process: int, thread: int) -> str:
    try:
        return Path(f"/proc/{process}/task/{thread}/comm").read_text().strip()
    except OSError:
        return "ended"
