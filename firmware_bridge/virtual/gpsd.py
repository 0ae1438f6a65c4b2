"""Simulated gpsd on a loopback port: banner, JSON requests and answers, and the receiver's sentences.

It speaks the part of the gpsd 3.22 protocol that watchers use: VERSION at once, DEVICES and WATCH after ?WATCH, an
ERROR for unknown requests. Its devices can be lost and return, and it can stop and restart on the same port.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import threading
from typing import Any, Final

VERSION: Final = {"class": "VERSION", "release": "3.22", "rev": "3.22", "proto_major": 3, "proto_minor": 14}
LOOK_S: Final = 0.02
"""How often it checks whether to stop."""


class _Client:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.unread = b""
        self.policy: dict[str, Any] = {"enable": False, "nmea": False}


class VirtualGpsd:
    """`devices`: paths of the receivers, and whether each could be opened. `requests`: all requests received."""

    def __init__(self, port: int = 0) -> None:
        self.devices: dict[str, bool] = {}
        self.requests: list[bytes] = []
        self.is_deaf = False
        """Whether it accepts requests without answering, like a hung gpsd."""
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._clients: list[_Client] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="virtual gpsd", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"gpsd://127.0.0.1:{self.port}"

    @property
    def watchers(self) -> int:
        """Number of watching clients."""
        with self._lock:
            return sum(client.policy["enable"] for client in self._clients)

    def send(self, data: bytes) -> None:
        """Send a receiver's bytes to all clients that watch its NMEA."""
        with self._lock:
            watching = [c for c in self._clients if c.policy["enable"] and c.policy["nmea"]]
            for client in watching:
                with contextlib.suppress(OSError):
                    client.connection.sendall(data)

    def close(self) -> None:
        """Stop, and close all connections."""
        self._stop.set()
        self._thread.join()
        for client in self._clients:
            client.connection.close()
        self._listener.close()

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ, None)
            while not self._stop.is_set():
                for key, _ in selector.select(LOOK_S):
                    if key.data is None:
                        client = _Client(self._listener.accept()[0])
                        selector.register(client.connection, selectors.EVENT_READ, client)
                        with self._lock:
                            self._clients.append(client)
                            _send(client, VERSION)
                    elif not self._serve(key.data):
                        selector.unregister(key.data.connection)
                        key.data.connection.close()
                        with self._lock:
                            self._clients.remove(key.data)

    def _serve(self, client: _Client) -> bool:
        """Read and answer requests; return False when the client has disconnected."""
        try:
            data = client.connection.recv(4096)
        except OSError:
            return False
        *lines, client.unread = (client.unread + data).split(b"\n")
        with self._lock:
            for line in lines:
                self.requests.append(line)
                if not self.is_deaf:
                    self._answer(client, line.strip().removesuffix(b";"))
        return bool(data)

    def _answer(self, client: _Client, line: bytes) -> None:
        request, _, arguments = line.partition(b"=")
        if request == b"?WATCH":
            client.policy |= json.loads(arguments or b"{}")
            _send(client, self._devices())
            _send(client, {"class": "WATCH", "json": False, "raw": 0, **client.policy})
        elif request == b"?DEVICES":
            _send(client, self._devices())
        else:
            request_text = line.decode("ascii", "replace")
            _send(client, {"class": "ERROR", "message": f"Unrecognized request '{request_text}'"})

    def _devices(self) -> dict[str, Any]:
        devices = []
        for path, is_open in self.devices.items():
            activated = (
                {"activated": "2026-01-15T12:00:00.000Z", "native": 0, "bps": 38400} if is_open else {}
            )
            devices.append({"class": "DEVICE", "path": path, **activated})
        return {"class": "DEVICES", "devices": devices}


def _send(client: _Client, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        client.connection.sendall(json.dumps(message, separators=(",", ":")).encode() + b"\r\n")
