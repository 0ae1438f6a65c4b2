"""Bounded queue of bytes to send on a port: filled by any thread, sent by the port's thread.

Knows no port. An engine poller must never wait for a serial line, so `put` either accepts a whole message or drops and
counts it. A file descriptor wakes the port's thread from its poll.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress

OUTBOX_BYTES = 4096
"""Capacity, equal to Linux's buffer of a terminal: some 150 OBD requests, far more than a session has pending."""


class Outbox:
    """Closed until `open`, and again after `close`, so that data for one session never reaches the next."""

    def __init__(self) -> None:
        self.dropped_bytes = 0
        self.wake_fd = -1
        self._unsent = bytearray()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Accept messages from now on; `wake_fd` is readable while there are new ones."""
        with self._lock:
            self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def close(self) -> None:
        """Drop and count the unsent bytes, and accept no more."""
        with self._lock:
            self.dropped_bytes += len(self._unsent)
            self._unsent.clear()
            if self.wake_fd >= 0:
                os.close(self.wake_fd)
                self.wake_fd = -1

    def put(self, data: bytes) -> bool:
        """Queue all of `data`, or drop and count it. Returns whether it was queued. Never blocks."""
        with self._lock:
            if self.wake_fd < 0 or len(self._unsent) + len(data) > OUTBOX_BYTES:
                self.dropped_bytes += len(data)
                return False
            self._unsent += data
            # After empty data nothing would be sent that clears the wake-up, and the reader's wait would never end.
            if data:
                os.eventfd_write(self.wake_fd, 1)
            return True

    def drop(self, data: bytes) -> bool:
        """Count `data` as dropped. Returns False, like a `put` that drops."""
        with self._lock:
            self.dropped_bytes += len(data)
        return False

    def __bool__(self) -> bool:
        return bool(self._unsent)

    def unsent(self) -> bytes:
        """The bytes to send next; clears the wake-up."""
        with self._lock:
            with suppress(BlockingIOError):  # cleared before, when the port did not accept everything
                os.eventfd_read(self.wake_fd)
            return bytes(self._unsent)

    def sent(self, count: int) -> None:
        """Remove the first `count` bytes, which the port has accepted."""
        with self._lock:
            del self._unsent[:count]
