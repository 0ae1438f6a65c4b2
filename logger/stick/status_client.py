"""Report the state of a stick to the recorder's live socket, which shows it on the crew page.

    {"command": "stick", "state": "copying", "detail": "1 of 2: dakar-2026-11-car-500-001.db, 40%"}

Without a recorder the crew does not see the state; the copying is not affected.
"""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from pathlib import Path

from logger.boundary.untrusted_json import loads

MAX_LINE_BYTES = 1024 * 1024
"""The recorder's own limit for a snapshot, which may come before the answer."""
ANSWER_TIMEOUT_S = 1.0
"""The recorder answers within one loop, 20 ms."""
PROGRESS_EVERY_S = 1.0
"""The interval of progress reports."""


class StatusClient:
    """Sends states of a stick to the recorder. Never raises."""

    def __init__(self, live_socket: Path) -> None:
        self._socket = live_socket
        self._sent_s = float("-inf")

    def copying(self, detail: str) -> None:
        """Report progress; calls within `PROGRESS_EVERY_S` of the last report are skipped."""
        if time.monotonic() - self._sent_s >= PROGRESS_EVERY_S:
            self._sent_s = time.monotonic()
            self.send("copying", detail)

    def send(self, state: str, detail: str) -> bool:
        """Report a new state; whether the recorder accepted it."""
        line = json.dumps({"command": "stick", "id": "stick", "state": state, "detail": detail}).encode()
        with (
            suppress(OSError, ValueError, LookupError, AttributeError),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
        ):
            connection.settimeout(ANSWER_TIMEOUT_S)
            connection.connect(str(self._socket))
            connection.sendall(line + b"\n")
            until_s = time.monotonic() + ANSWER_TIMEOUT_S
            with connection.makefile("rb") as lines:
                while time.monotonic() < until_s:
                    document = loads(lines.readline(MAX_LINE_BYTES))
                    if document.get("answer") == "stick":
                        return bool(document["ok"])
        return False
