"""Simulated CAN adapter and GPS receiver on ptys, with numbered output, that can be unplugged."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path

FRAME_ID = 0x123
CAN_HZ, GPS_HZ = 500, 5
_MAX_BURST = 50
_DAY_S = 86_400


def frame(number: int) -> bytes:
    """A CAN frame on SLCAN."""
    return b"t%03X8%016X\r" % (FRAME_ID, number)


def sentence(number: int) -> bytes:
    """An RMC with its number as date and time; the car drives north at 10 m/s."""
    day, tenths = divmod(number * 10 // GPS_HZ, _DAY_S * 10)
    seconds = tenths // 10
    clock = f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}.{tenths % 10}0"
    minutes = number * 10 / GPS_HZ / 1852
    north = f"{10 + int(minutes // 60):02}{minutes % 60:08.5f},N"
    body = f"GPRMC,{clock},A,{north},01131.00012,E,19.4,0.0,{day + 1:02}0126,,,A"
    total = 0
    for letter in body.encode():
        total ^= letter
    return f"${body}*{total:02X}\r\n".encode()


def number_of(text: str) -> int:
    """The number of a sentence from `sentence`."""
    fields = text.split(",")
    clock, day = fields[1], int(fields[9][:2]) - 1
    seconds = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + float(clock[4:])
    return round((day * _DAY_S + seconds) * GPS_HZ)


class Source:
    """A device with the name `link` that sends while it is plugged in and opened."""

    def __init__(self, link: Path, rate: int, encode: Callable[[int], bytes], opening: bytes) -> None:
        """`opening` is the command that makes it send; empty for a device that always sends."""
        self.link, self._rate, self._encode, self._opening = link, rate, encode, opening
        self.sent_at: list[float] = []
        """Monotonic time at which each number was written to the port."""
        self._garbage = b""
        self._silent = threading.Event()
        self._thread: threading.Thread | None = None

    def plug(self) -> None:
        """Appear as a new device with the same name."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        fresh = self.link.with_suffix(".new")
        fresh.symlink_to(os.ttyname(slave))
        fresh.replace(self.link)
        self._silent.clear()
        self._thread = threading.Thread(target=self._run, args=(slave,))
        self._thread.start()

    def unplug(self) -> None:
        """Hang up. What was sent but not yet read is lost."""
        self.link.unlink(
            missing_ok=True
        )  # as udev does; the kernel may reuse the device's number immediately
        self._silent.set()
        if self._thread is not None:
            self._thread.join()
            os.close(self._master)

    def disturb(self, garbage: bytes) -> None:
        """Send noise before the next frame."""
        self._garbage = garbage

    def _run(self, slave: int) -> None:
        # Keep the slave open until the recorder opens it: otherwise the master is hung up.
        is_open, received = not self._opening, b""
        began, first = time.monotonic(), len(self.sent_at)
        while not self._silent.wait(0.005):
            with contextlib.suppress(OSError):
                received = (received + os.read(self._master, 4096))[-64:]
            if self._opening and self._opening in received:
                is_open, received = True, b""
                began, first = time.monotonic(), len(self.sent_at)
            if is_open:
                due = first + int((time.monotonic() - began) * self._rate)
                self._send(min(due, len(self.sent_at) + _MAX_BURST))
        os.close(slave)

    def _send(self, until: int) -> None:
        garbage, self._garbage = self._garbage, b""
        data = garbage + b"".join(map(self._encode, range(len(self.sent_at), until)))
        while data and not self._silent.is_set():
            try:
                data = data[os.write(self._master, data) :]
            except OSError:
                time.sleep(0.005)  # the reader is busy
        self.sent_at += [time.monotonic()] * (until - len(self.sent_at))
