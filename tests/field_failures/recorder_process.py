"""The real recorder as a process, and sources whose every frame is numbered so that losses can be counted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FRAME_ID = 0x123
MOST_AT_ONCE = 200
"""Frames: a bus that was held up catches up little by little, as an adapter's buffer does."""

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
    """A CAN adapter on a pty: an SLCAN frame every `1 / rate` s, numbered in its data. Listens to nothing."""

    def __init__(self, rate: int = 500) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._rate = rate
        self._stop = threading.Event()
        self.sent_at: list[float] = []
        """When each frame was handed to the port, by the monotonic clock."""
        self._thread = threading.Thread(target=self._speak)

    def __enter__(self) -> NumberedBus:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.silence()
        os.close(self._master)
        os.close(self._slave)

    def silence(self) -> None:
        """Send no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _speak(self) -> None:
        began = time.monotonic()
        while not self._stop.wait(0.005):
            with suppress(BlockingIOError):
                os.read(self._master, 4096)
            due = min(int((time.monotonic() - began) * self._rate), len(self.sent_at) + MOST_AT_ONCE)
            burst = range(len(self.sent_at), max(due, len(self.sent_at)))
            data = b"".join(b"t%03X8%016X\r" % (FRAME_ID, number) for number in burst)
            patience = time.monotonic() + 1.0
            while data:
                try:
                    data = data[os.write(self._master, data) :]
                except BlockingIOError:
                    time.sleep(0.005)  # nobody reads just now
                    if self._stop.is_set() and time.monotonic() > patience:
                        return
            self.sent_at += [time.monotonic()] * len(burst)


def write_config(folder: Path, port: str, *, stage: int | None = None, gps: str | None = None) -> Path:
    """A configuration with one CAN adapter, in a folder whose logs go to `folder`/logs."""
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
    """`stagelog run` for as long as the body lasts; killed at its end if it still runs."""
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
    """SIGTERM, wait for the end; what it said."""
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=15)
    assert process.returncode == 0, said.decode()
    return said.decode()


def query(log: Path, sql: str) -> list[tuple[object, ...]]:
    """Rows of a log, as another program reads them."""
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
    """SQLite's own word on a log."""
    return str(query(log, "PRAGMA integrity_check")[0][0])


def until(holds: Callable[[], bool], within_s: float = 60.0) -> float:
    """Wait until something holds; how long that took. AssertionError when it did not."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, "waited in vain"
        time.sleep(0.02)
    return time.monotonic() - began


def has_rows(log: Path, least: int = 1) -> Callable[[], bool]:
    """Whether a log is there and has frames."""

    def holds() -> bool:
        try:
            return log.exists() and len(numbers(log)) >= least
        except (sqlite3.Error, UnicodeDecodeError):  # damaged, and not set aside yet
            return False

    return holds
