"""Create the live socket's file; replace a stale one, never one that a recorder serves.

A socket file outlives its process; only connecting shows whether a process still listens.
"""

from __future__ import annotations

import errno
import socket
from pathlib import Path

SOCKET_MODE = 0o660
"""Members of the recorder's group may send commands."""
BACKLOG = 16


def bind(path: Path) -> socket.socket:
    """Create a listener on a socket file. Raises OSError if another recorder or another file is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        if _is_served(path):
            raise OSError(errno.EADDRINUSE, "another recorder serves it", str(path))
        path.unlink()
    elif path.exists():
        raise FileExistsError(errno.EEXIST, "a file that is not a socket has this name", str(path))
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
    """Whether a process listens on a socket file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT)
