"""Directory lock: one recorder per log folder.

Two recorders in one folder would write the same log, and each would treat the other's as an old one. The lock is on
the folder itself (flock), so it creates no file and works on a full card. The kernel releases it when the process
ends, for whatever reason.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from firmware_bridge.errors import InUseError

_LOCKS = Path("/proc/locks")
"""The kernel's list of file locks (proc_locks(5)): kind, mode, process, device and inode of each."""


class Hold:
    """A recorder's claim to a folder, until `release`."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if needed and claim it. Raises InUseError; other errors appear when a log is opened."""
        self._folder = folder
        self._descriptor: int | None = None
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        self.renew()

    def renew(self) -> None:
        """Claim the folder that is at the path now, as a card may have been swapped. Raises InUseError."""
        with suppress(FileNotFoundError):
            if self._descriptor is not None and os.path.samestat(
                os.fstat(self._descriptor), self._folder.stat()
            ):
                return
        hint = "stop that one, or give this one another [log] directory"
        claimed = _locked(self._folder, fcntl.LOCK_EX, hint)
        self.release()
        self._descriptor = claimed

    def release(self) -> None:
        """Release the folder to another recorder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def require_free(folder: Path, hint: str) -> None:
    """Raise InUseError, with this hint, while a recorder has claimed the folder."""
    descriptor = _locked(folder, fcntl.LOCK_SH, hint)
    if descriptor is not None:
        os.close(descriptor)


def is_claimed(folder: Path) -> bool:
    """Whether a recorder has claimed the folder. Takes no lock, which a recorder that starts now would meet."""
    try:
        status = folder.stat()
        text = _LOCKS.read_text(encoding="ascii")
    except (OSError, ValueError):
        return False
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    return any("FLOCK" in line and "WRITE" in line and place in line.split() for line in text.splitlines())


def _locked(folder: Path, kind: int, hint: str) -> int | None:
    """A descriptor that holds the folder's lock; None if the folder cannot be locked."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InUseError("another recorder writes here", where=str(folder), hint=hint) from None
    except OSError:  # a network file system without locks
        os.close(descriptor)
        return None
    return descriptor
