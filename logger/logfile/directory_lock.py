"""One recorder a folder of logs: two would write one log, and each would take the other's for an old one.

The folder itself is locked (flock), so that nothing is made in it, and that of a card without a free byte is locked as
well. The kernel lets go of it with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from firmware_bridge.errors import InUseError


class Hold:
    """A recorder's claim to a folder, until `release`."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where there is none. Raises InUseError; whatever else is wrong shows as a log is opened."""
        self._folder = folder
        self._descriptor: int | None = None
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        self.renew()

    def renew(self) -> None:
        """Claim what is in the folder's place by now, should that be another card. Raises InUseError."""
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
        """Let another recorder have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def require_free(folder: Path, hint: str) -> None:
    """Raise InUseError, with this mend, while a recorder has claimed the folder."""
    descriptor = _locked(folder, fcntl.LOCK_SH, hint)
    if descriptor is not None:
        os.close(descriptor)


def _locked(folder: Path, kind: int, hint: str) -> int | None:
    """A descriptor that holds the folder's lock; None where nothing there can be locked."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InUseError("another recorder writes here", where=str(folder), hint=hint) from None
    except OSError:  # a network's file system
        os.close(descriptor)
        return None
    return descriptor
