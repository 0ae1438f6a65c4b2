"""The real recorder as a process, and a CAN source with numbered frames to count losses."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FRAME_ID = 0x123
FRAME = b"t%03X8%016X\r"
FRAME_BYTES = len(FRAME % (FRAME_ID, 0))
MAX_BURST_FRAMES = 200
"""A bus that was delayed catches up in bursts of this size, like an adapter's buffer."""
UNREAD_S = 10.0
"""Longest wait for a reader, which is slow on a loaded machine; without one, what was sent is never read."""

ITINERARY = """
[stage]
event = "Test"
number = {number}
name = "There and back"
date = 2026-01-15

[[section]]
kind = "selective"
name = "SS1"
length_km = 10.0
"""


class NumberedBus:
    """A CAN adapter on a pty: an SLCAN frame every `1 / rate` s with its number as data. Ignores commands."""

    def __init__(self, rate: int = 500) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._rate = rate
        self._stop, self._is_over = threading.Event(), False
        self.sent_at: list[float] = []
        """Monotonic time at which each frame was written to the port."""
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> NumberedBus:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._is_over = True
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def silence(self) -> None:
        """Stop sending, and wait until a reader has taken what was sent."""
        self._stop.set()
        self._thread.join()
        ends = time.monotonic() + UNREAD_S
        while self._unread_bytes() and time.monotonic() < ends:
            time.sleep(0.01)

    def _unread_bytes(self) -> int:
        """Bytes in the port; the kernel moves them there from the adapter's end a moment after the write."""
        counts: list[int] = []
        for _ in range(5):
            counts += struct.unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, bytes(4)))
            time.sleep(0.01)
        return max(counts)

    def _send(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(0.005):
            with suppress(BlockingIOError):
                os.read(self._master, 4096)
            first = len(self.sent_at)
            due = max(first, min(int((time.monotonic() - began) * self._rate), first + MAX_BURST_FRAMES))
            data = b"".join(FRAME % (FRAME_ID, number) for number in range(first, due))
            left, deadline = len(data), time.monotonic() + UNREAD_S
            while left and not self._is_over:
                try:
                    left -= os.write(self._master, data[-left:])
                except BlockingIOError:
                    time.sleep(0.005)  # the reader is busy
                    if self._stop.is_set() and time.monotonic() > deadline:
                        return
                written = first + (len(data) - left) // FRAME_BYTES
                self.sent_at += [time.monotonic()] * (written - len(self.sent_at))


def write_config(folder: Path, port: str, *, stage: int | None = None, gps: str | None = None) -> Path:
    """Write a configuration with one CAN adapter and the log directory `folder`/logs."""
    text = f'[log]\ndirectory = "{folder}/logs"\n'
    text += f'[[can]]\nname = "engine"\nport = "{port}"\nprotocol = "slcan"\nbaud = 2000000\n'
    if gps is not None:
        text += f'[gps]\nport = "{gps}"\nbaud = 9600\n'
    if stage is not None:
        (folder / "stage.toml").write_text(ITINERARY.format(number=stage))
        text += '[stage]\nitinerary = "stage.toml"\n'
    path = folder / "stagelog.toml"
    path.write_text(text)
    return path


@contextmanager
def recording(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `stagelog run` during the body, and kill it at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "logger", "run", "-c", str(config)], stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def stop(process: subprocess.Popen[bytes]) -> str:
    """Send SIGTERM and wait for the end. Returns the standard error output."""
    process.send_signal(signal.SIGTERM)
    _, output = process.communicate(timeout=60)
    assert process.returncode == 0, output.decode()
    return output.decode()


def query(log: Path, sql: str) -> list[tuple[object, ...]]:
    """Rows of a log, read over a separate connection."""
    connection = sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def numbers(log: Path) -> list[int]:
    """The numbers of the frames in a log, in order."""
    rows = query(log, f"SELECT data FROM frame WHERE can_id = {FRAME_ID} ORDER BY rowid")
    return [int.from_bytes(row[0], "big") for row in rows if isinstance(row[0], bytes)]


def integrity(log: Path) -> str:
    """Result of SQLite's integrity check."""
    return str(query(log, "PRAGMA integrity_check")[0][0])


def until(holds: Callable[[], bool], within_s: float = 60.0) -> float:
    """Wait until `holds()` is true. Returns the time taken in s; AssertionError after `within_s`."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, f"the condition did not hold within {within_s:g} s"
        time.sleep(0.02)
    return time.monotonic() - began


def has_rows(log: Path, least: int = 1) -> Callable[[], bool]:
    """A condition for `until`: the log exists and has at least `least` frames."""

    def holds() -> bool:
        try:
            return log.exists() and len(numbers(log)) >= least
        except (sqlite3.Error, UnicodeDecodeError):  # damaged, and not quarantined yet
            return False

    return holds
