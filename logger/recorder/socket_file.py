"""The live socket's file: made for one recorder, taken over from a dead one, never from one that runs.

A socket file outlives its process, and says nothing of it; only asking does: nobody answers at a dead one's.
"""

from __future__ import annotations

import errno
import socket
from pathlib import Path

SOCKET_MODE = 0o660
"""The recorder's own group may command."""
BACKLOG = 16


def bound(path: Path) -> socket.socket:
    """A listener on a socket file of its own. Raises OSError where another recorder or another file is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        if _is_served(path):
            raise OSError(errno.EADDRINUSE, "another recorder serves it", str(path))
        path.unlink()
    elif path.exists():
        raise FileExistsError(errno.EEXIST, "a file that is no socket is there", str(path))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(SOCKET_MODE)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _is_served(path: Path) -> bool:
    """Whether somebody listens on a socket file, or a dead process left it behind."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT)
