"""Load on the whole recorder process: frame rate, CPU, disk, memory, start-up; python-can as peer."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.bench.configuration import Bus, configure
from tests.memory import peak_kb

BLOCK_BYTES = 512
"""The unit of ru_oublock."""
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""With this set, each start compiles every module, a third of the start-up time; an installed recorder does not."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Load:
    """A recording: frames, duration, and resources used. `cpu_s` is user and system time of the process."""

    frames: int
    seconds: float
    cpu_s: float
    disk_bytes: int
    rss_mb: float
    first_row_s: float
    dropped: int

    @property
    def frames_per_s(self) -> float:
        return self.frames / self.seconds

    @property
    def cpu_us_per_frame(self) -> float:
        return self.cpu_s / self.frames * 1e6


class Feeder:
    """tests.bench.wire or tests.bench.gps as a process."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go(self) -> None:
        """Start sending."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def wait_sent_s(self) -> float:
        """Wait until everything is sent. Returns the duration."""
        return float(self._line())

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.communicate()


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder on a real disk: in TMPDIR, otherwise at home, since /tmp may be in memory."""
    path = Path(tempfile.mkdtemp(prefix="stagelog-bench-", dir=os.environ.get("TMPDIR", Path.home())))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def cpu_s(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def written_bytes(pid: int) -> int:
    """Bytes that a process has passed to the block layer, in whole pages as the card sees them."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def rows(log: Path, table: str = "frame") -> int:
    """Number of committed rows that another process sees."""
    if not log.exists():
        return 0
    try:
        connection = sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)
        try:
            return int(connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.Error:
        return 0


def record(
    protocol: str, frames: int, rate: int = 0, gps_hz: int = 10, traffic: tuple[str, ...] = ()
) -> Load:
    """Record `frames` frames with `stagelog run`, sent at `rate` per second (0: as fast as it reads).

    `traffic`: options of `tests.bench.wire`.
    """
    with folder() as place:
        feeder = Feeder("tests.bench.wire", protocol, str(frames), str(rate), *traffic)
        gps = Feeder("tests.bench.gps", str(gps_hz)) if gps_hz else None
        bus = Bus("engine", feeder.port, protocol)
        config = configure(place, gps=gps.port if gps else "", buses=(bus,))
        log = place / "logs" / "drive-001.db"
        began = time.monotonic()
        recorder = subprocess.Popen(
            [sys.executable, "-m", "logger", "run", "-c", str(config)],
            env={name: value for name, value in os.environ.items() if name != NO_BYTECODE},
            stderr=subprocess.PIPE,
        )
        try:
            while not rows(log, "event"):
                time.sleep(0.01)
            first_row_s = time.monotonic() - began
            time.sleep(1.5)  # the opening sequence
            if gps:
                gps.go()
            cpu_before, disk_before = cpu_s(recorder.pid), written_bytes(recorder.pid)
            began = time.monotonic()
            feeder.go()
            feeder.wait_sent_s()
            while rows(log) < frames and time.monotonic() - began < frames / (rate or 5000) + 60:
                time.sleep(0.02)
            took = time.monotonic() - began
            load = Load(
                frames=rows(log),
                seconds=took,
                cpu_s=cpu_s(recorder.pid) - cpu_before,
                disk_bytes=0,
                rss_mb=peak_kb(recorder.pid) / 1024,
                first_row_s=first_row_s,
                dropped=frames - rows(log),
            )
        finally:
            recorder.send_signal(signal.SIGTERM)
            usage = os.wait4(recorder.pid, 0)[2]
            recorder.returncode = 0
            recorder.communicate()
            feeder.close()
            if gps:
                gps.close()
    # Closing copies the WAL into the file; those bytes count too.
    return replace(load, disk_bytes=usage.ru_oublock * BLOCK_BYTES - disk_before)


PEER = """
import resource, sys, time
import can
bus = can.Bus(interface="slcan", channel=sys.argv[1], bitrate=500000, sleep_after_open=0.2, timeout=0.1)
writer = can.SqliteWriter(sys.argv[2])
print("ready", flush=True)
seen, wanted = 0, int(sys.argv[3])
while seen < wanted:
    message = bus.recv(10)
    if message is None:
        break
    seen += 1
    writer.on_message_received(message)
writer.stop()
usage = resource.getrusage(resource.RUSAGE_SELF)
print(seen, usage.ru_utime + usage.ru_stime, flush=True)
bus.shutdown()
"""


def peer(frames: int, traffic: tuple[str, ...] = ()) -> Load:
    """Record with python-can's slcan bus and its SqliteWriter, over the same pseudo-terminal."""
    with folder() as place:
        feeder = Feeder("tests.bench.wire", "slcan", str(frames), "0", *traffic)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PEER, feeder.port, str(place / "peer.db"), str(frames)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        before = cpu_s(process.pid)
        began = time.monotonic()
        feeder.go()
        ready, _, _ = select.select([process.stdout], [], [], 300)
        output = process.stdout.readline().split() if ready else ["0", "1"]
        took = time.monotonic() - began
        process.kill()
        process.communicate()
        feeder.close()
        return Load(int(output[0]), took, float(output[1]) - before, 0, 0.0, 0.0, 0)
