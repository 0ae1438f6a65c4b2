"""A virtual serial port: a pty under a name that stays, whatever becomes of the device behind it.

Unplugging closes the pty, so the reader sees what it sees when a USB adapter is pulled; plugging in opens a
new one and points the name, a symbolic link, at it. Nothing here knows what the bytes mean.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import termios
import tty
from pathlib import Path

_SPEEDS = {
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name[:1] == "B" and name[1:].isdigit() and name != "B0"
}
READ_BYTES = 4096
HELD_BYTES = 65_536
"""What waits for a slow host: about what Linux holds for a USB serial adapter. A pty itself holds 4 KiB."""


class PtyPort:
    """`path` is the name for the host to open. One thread at a time plays the device."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost_bytes = 0
        """Bytes that a host with the port open did not take in time."""
        self._master = -1
        self._held = b""

    @property
    def is_plugged(self) -> bool:
        return self._master >= 0

    @property
    def has_host(self) -> bool:
        """Whether somebody has the port open. Nobody holds the other end for them: that is how it shows."""
        if not self.is_plugged:
            return False
        poll = select.poll()
        poll.register(self._master, 0)
        return not poll.poll(0)

    @property
    def is_waiting(self) -> bool:
        """Whether bytes wait for a host that is slow."""
        return bool(self._held)

    def plug(self) -> None:
        """Open a pty and point the name at it."""
        if self.is_plugged:
            return
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        fresh = self.path.with_name(f"{self.path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(slave))
        fresh.replace(self.path)  # in one step: the name never points at nothing
        os.close(slave)

    def unplug(self) -> None:
        """Hang up; the name goes with the device, as udev's links do."""
        if not self.is_plugged:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._master)
        self._master, self._held = -1, b""

    def host_baud(self) -> int:
        """The baud rate that the host has set last, 0 if it cannot be said."""
        return _SPEEDS.get(termios.tcgetattr(self._master)[5], 0) if self.is_plugged else 0

    def write(self, data: bytes) -> None:
        """Send: to a slow host later, to none not at all. Call it with nothing to send what waits."""
        if not self.has_host:
            self._held = b""
            return
        self._held += data
        sent = 0
        with contextlib.suppress(BlockingIOError, OSError):  # full, or the host went away just now
            while sent < len(self._held):
                sent += os.write(self._master, self._held[sent:])
        left = self._held[sent:]
        self._held = left[:HELD_BYTES]
        self.lost_bytes += len(left) - len(self._held)

    def read(self) -> bytes:
        """What the host has sent since; nothing if it sent nothing or is not there."""
        if not self.is_plugged:
            return b""
        try:
            return os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno != errno.EIO:  # how a pty says that nobody has it open
                raise
            return b""
