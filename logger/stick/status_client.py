"""What becomes of a stick, told to the crew: a line to the recorder's live socket, which passes it on to the page.

    {"command": "stick", "state": "copying", "detail": "1 of 2: dakar-2026-11-car-500-001.db, 40%"}

A recorder that is not there costs the crew this news, and the stick nothing.
"""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from pathlib import Path

from logger.boundary.untrusted_json import loads

MOST_LINE_BYTES = 1024 * 1024
"""The recorder's own limit for a snapshot, which may come before the answer."""
ANSWER_S = 1.0
"""The recorder answers within a round, 20 ms."""
EVERY_S = 1.0
"""How often progress is told."""


class Teller:
    """The way to the recorder. Never raises."""

    def __init__(self, live_socket: Path) -> None:
        self._socket = live_socket
        self._told_s = float("-inf")

    def copying(self, detail: str) -> None:
        """It goes on; too often is not too much."""
        if time.monotonic() - self._told_s >= EVERY_S:
            self._told_s = time.monotonic()
            self.tell("copying", detail)

    def tell(self, state: str, detail: str) -> bool:
        """A new state; whether the recorder took it."""
        line = json.dumps({"command": "stick", "id": "stick", "state": state, "detail": detail}).encode()
        with (
            suppress(OSError, ValueError, LookupError, AttributeError),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
        ):
            connection.settimeout(ANSWER_S)
            connection.connect(str(self._socket))
            connection.sendall(line + b"\n")
            ends_s = time.monotonic() + ANSWER_S
            with connection.makefile("rb") as lines:
                while time.monotonic() < ends_s:
                    said = loads(lines.readline(MOST_LINE_BYTES))
                    if said.get("answer") == "stick":
                        return bool(said["ok"])
        return False
