"""Delete a large file slowly: unlink it, then free its space in steps from its end.

Deleting hundreds of megabytes at once passes through the file system's journal in one transaction, and the recorder's
sync waits for it (300 ms were measured on ext4; 30 ms in steps). An unlinked file is never found truncated: after a
power cut the file system frees the rest. A process that has the file open, or another name for it, keeps all of it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

REMOVE_BYTES, REMOVE_PAUSE_S = 8 * 1024 * 1024, 0.02
"""Bytes freed per step, and the pause after it in which the recorder can sync."""


def remove(path: Path) -> None:
    """Delete a file of any size without delaying others who write to the same disk. Nothing if there is none."""
    UnlinkedFile(path).free()


class UnlinkedFile:
    """A file that is unlinked on construction; its space stays in use until `free`. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = None
        with suppress(OSError):  # not writable, or not a file: then it is only unlinked
            flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            self._descriptor = os.open(path, flags)
        try:
            path.unlink(missing_ok=True)
        except OSError:
            self._close()
            raise

    def free(self, pause_s: float = REMOVE_PAUSE_S) -> None:
        """Free the space, with a pause after each step. Raises OSError."""
        if self._descriptor is None:
            return
        try:
            if _is_unused(self._descriptor):
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


def _is_unused(descriptor: int) -> bool:
    """Whether a file has no other name and no other process has it open; False where that is unknown.

    The kernel grants a write lease (fcntl(2), F_SETLEASE) only on a file that no other process has open.
    """
    if os.fstat(descriptor).st_nlink:
        return False
    try:
        # Opening the file during the lease sends us a signal; the default, SIGIO, would end this process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    return True
