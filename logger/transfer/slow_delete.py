"""A large file loses its name first, and then its bytes, step by step from its end.

At once, its hundreds of megabytes go through the file system's journal together, and the recorder's sync waits for
them (300 ms were measured on ext4, and 30 ms so). Without a name nobody ever comes upon a file that is cut off: after
a power cut the file system itself frees the rest. Whoever has it open, or by another name, keeps all of it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

REMOVE_BYTES, REMOVE_PAUSE_S = 8 * 1024 * 1024, 0.02
"""Cut off in one step, and the recorder's turn after it."""


def remove(path: Path) -> None:
    """Remove a file, however large, without holding up whoever writes to the same disk. Nothing if there is none."""
    Nameless(path).free()


class Nameless:
    """A file whose name is taken away as soon as this is made; its room is taken until `free`. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = None
        with suppress(OSError):  # not ours to write, or nothing to write into: a name is all that is taken
            flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            self._descriptor = os.open(path, flags)
        try:
            path.unlink(missing_ok=True)
        except OSError:
            self._close()
            raise

    def free(self, pause_s: float = REMOVE_PAUSE_S) -> None:
        """Give its room back, with a pause after each step. Raises OSError."""
        if self._descriptor is None:
            return
        try:
            if _is_nobodys(self._descriptor):
                size = os.fstat(self._descriptor).st_size
                while size > REMOVE_BYTES:
                    size -= REMOVE_BYTES
                    os.ftruncate(self._descriptor, size)
                    time.sleep(pause_s)
        finally:
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _is_nobodys(descriptor: int) -> bool:
    """Whether a file has no other name and nobody else has it open; False where that cannot be told.

    The kernel grants a write lease (fcntl(2), F_SETLEASE) only on a file that nobody else has open.
    """
    if os.fstat(descriptor).st_nlink:
        return False
    try:
        # Who opens it while the lease lasts has us signalled: not by SIGIO, which would end us.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    return True
