"""Bytes on their way out of a port, handed over by any thread, sent by the port's own.

Knows no port. The idea: whoever polls an engine must never wait for a serial line, so `put` either takes
all of a message or drops and counts it. A file descriptor wakes the port's thread from its poll.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress

OUTBOX_BYTES = 4096
"""As much as Linux buffers of a terminal's line; some 150 OBD requests, far more than one session has under
way."""


class Outbox:
    """Closed until `open`, and again after `close`, so that what was meant for one session never reaches the
    next."""

    def __init__(self) -> None:
        self.dropped_bytes = 0
        self.wake_fd = -1
        self._unsent = bytearray()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Take messages from now on; `wake_fd` is readable while there are new ones."""
        with self._lock:
            self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def close(self) -> None:
        """Drop, and count, what was not sent."""
        with self._lock:
            self.dropped_bytes += len(self._unsent)
            self._unsent.clear()
            if self.wake_fd >= 0:
                os.close(self.wake_fd)
                self.wake_fd = -1

    def put(self, data: bytes) -> bool:
        """Whether `data` was taken, all of it. Never blocks."""
        with self._lock:
            if self.wake_fd < 0 or len(self._unsent) + len(data) > OUTBOX_BYTES:
                self.dropped_bytes += len(data)
                return False
            self._unsent += data
            os.eventfd_write(self.wake_fd, 1)
            return True

    def drop(self, data: bytes) -> bool:
        """Count `data` as not sent: there is nobody to send it to. Never taken, so False, as `put` would
        say."""
        with self._lock:
            self.dropped_bytes += len(data)
        return False

    def __bool__(self) -> bool:
        return bool(self._unsent)

    def unsent(self) -> bytes:
        """What is to be sent next; settles the wake-up."""
        with self._lock:
            with suppress(BlockingIOError):  # settled before, and the port did not take all
                os.eventfd_read(self.wake_fd)
            return bytes(self._unsent)

    def sent(self, count: int) -> None:
        """The port took the first `count` bytes."""
        with self._lock:
            del self._unsent[:count]
