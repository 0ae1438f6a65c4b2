"""A TCP proxy that cuts connections after a random number of bytes, some times; or falls silent."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress

FORWARD_BYTES = 65536
SLOW_TURN_S = 0.1
"""Bytes that a slow line passes at a time."""


class CutLine:
    """A line to `port` of this machine that breaks `cuts` times, each after up to `max_bytes` from the server.

    After `silent_at` bytes from the server it passes nothing more on any connection, and breaks none. `bytes_s` limits
    its rate.
    """

    def __init__(
        self,
        port: int,
        cuts: int,
        max_bytes: int,
        seed: int,
        *,
        silent_at: int | None = None,
        bytes_s: float | None = None,
    ) -> None:
        self._server_port = port
        self._left, self._most = cuts, max_bytes
        self._silent_at, self._over = silent_at, threading.Event()
        self._bytes_s = bytes_s
        self._random = random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self.forwarded = 0
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> CutLine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        most = None
        if self.cuts < self._left:
            # Some cuts fall into the headers, some into the first bytes, most anywhere.
            most = self._random.choice([self._random.randrange(600), self._random.randrange(self._most)])
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._server_port)) as server:
            up = threading.Thread(target=_pump, args=(client, server), daemon=True)
            up.start()
            carried = 0
            while most is None or carried < most:
                piece = FORWARD_BYTES if self._bytes_s is None else max(1, int(self._bytes_s * SLOW_TURN_S))
                data = server.recv(piece if most is None else min(piece, most - carried))
                if not data:
                    return
                if self._bytes_s is not None:
                    time.sleep(len(data) / self._bytes_s)
                client.sendall(data)
                carried += len(data)
                self.forwarded += len(data)
                if self._silent_at is not None and self.forwarded >= self._silent_at:
                    self._over.wait()
                    return
            self.cuts += 1
            if self._random.random() < 0.5:  # half of them by a reset
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            server.shutdown(socket.SHUT_RDWR)
            client.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(FORWARD_BYTES):
            sink.sendall(data)
