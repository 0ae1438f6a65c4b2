"""A TCP port of this machine on which nothing listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that no other program gets during the body. Connections to it are refused, unless a server that sets
    SO_REUSEADDR, as most do, binds it."""
    with socket.socket() as held:  # bound, and not listening
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
