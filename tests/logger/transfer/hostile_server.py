"""A server on a real socket that sends what a test specifies: pieces of bytes, and waits."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

Pieces = Iterable[bytes | float]
"""A response on the wire: bytes, and seconds of silence between them."""
Behaviour = Callable[[str, bytes], Pieces]
"""Answers a request, given its method with path, and all of its bytes."""
MIN_REQUEST = b"\r\n\r\n"


class HostileServer:
    """Answers every request of any number of connections by `behave`, and closes; keeps the requests."""

    def __init__(self, behave: Behaviour, host: str = "127.0.0.1", port: int = 0) -> None:
        self._behave = behave
        self._listener = socket.create_server((host, port))
        self._over = threading.Event()
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self.requests: list[bytes] = []

    def __enter__(self) -> HostileServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def requested(self, what: str) -> int:
        """Number of requests that began with `what`."""
        return sum(request.startswith(what.encode()) for request in self.requests)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            client.settimeout(20)
            request = b""
            while MIN_REQUEST not in request:
                if not (data := client.recv(65536)):
                    return
                request += data
            head, _, body = request.partition(MIN_REQUEST)
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    while len(body) < int(line.partition(b":")[2]):
                        body += client.recv(65536)
            self.requests.append(head + MIN_REQUEST + body)
            method, path, _ = head.decode().split(" ", 2)
            for piece in self._behave(f"{method} {path}", request):
                if self._over.is_set():
                    return
                if isinstance(piece, float):
                    self._over.wait(piece)
                else:
                    client.sendall(piece)


def answer(body: bytes = b"", status: int = 200, *headers: str, length: int | None = None) -> bytes:
    """A response with its length, or with a false one."""
    announced = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {announced}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def list_of(*logs: object, **others: object) -> bytes:
    """The response that lists logs."""
    return answer(json.dumps({"logs": list(logs), **others}).encode())


def log_named(name: str, **others: object) -> dict[str, object]:
    """An entry of the list: a log with a thousand rows that is not here."""
    state = {"identity": "ab" * 8, "session": 1, "t_us": 5_000_000, "rows": 1000}
    return {"name": name, **state, **others}


def trickle(data: bytes, pause_s: float = 0.02) -> Pieces:
    """One byte at a time."""
    for at in range(len(data)):
        yield data[at : at + 1]
        yield pause_s


def until_closed(piece: bytes, pause_s: float = 0.0, max_s: float = 30.0) -> Pieces:
    """The same piece repeatedly, until the client closes."""
    until_s = time.monotonic() + max_s
    while time.monotonic() < until_s:
        yield piece
        if pause_s:
            yield pause_s
