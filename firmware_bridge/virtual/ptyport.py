"""Virtual serial port: a pty under a fixed name that can be unplugged and plugged in again.

Unplugging closes the pty, so that the reader sees the same as when a USB adapter is pulled; plugging in opens a
new one and points the name, a symbolic link, at it.
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
"""Buffer for a slow host: about as much as Linux holds for a USB serial adapter. A pty itself holds 4 KiB."""


class PtyPort:
    """A port; the host opens `path`. Only one thread at a time may use it as the device."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost_bytes = 0
        """Bytes that a host with the port open did not read in time."""
        self._master = -1
        self._held = b""

    @property
    def is_plugged(self) -> bool:
        return self._master >= 0

    @property
    def has_host(self) -> bool:
        """Whether a host has the port open; detected because this side does not keep the other end open."""
        if not self.is_plugged:
            return False
        poll = select.poll()
        poll.register(self._master, 0)
        return not poll.poll(0)

    @property
    def is_waiting(self) -> bool:
        """Whether bytes wait for a slow host."""
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
        fresh.replace(self.path)  # atomic: the name never dangles
        os.close(slave)

    def unplug(self) -> None:
        """Hang up and remove the name, as udev does."""
        if not self.is_plugged:
            return
        self.path.unlink(missing_ok=True)
        os.close(self._master)
        self._master, self._held = -1, b""

    def host_baud(self) -> int:
        """The baud rate last set by the host, 0 if unknown."""
        return _SPEEDS.get(termios.tcgetattr(self._master)[5], 0) if self.is_plugged else 0

    def write(self, data: bytes) -> None:
        """Send bytes, later for a slow host, not at all without a host. Empty `data` sends waiting bytes."""
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
        """Return the host's bytes since the last call; empty without a host."""
        if not self.is_plugged:
            return b""
        try:
            return os.read(self._master, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: no host has the pty open
                raise
            return b""
