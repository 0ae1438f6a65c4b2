"""The live socket: publish one JSON snapshot per line to many clients, and receive commands.

    down   a snapshot                                  {"utc": ..., "section": ...}
           an answer                                   {"answer": ID, "ok": true} or {..., "ok": false, "error": "..."}
    up     {"command": "mark", "id": ID, ...}

One thread, one `select`. A client that does not read gets only the newest snapshot when it does: the recorder buffers
no history and waits for no client. A client that sends commands too fast is paused until it has been silent for a
second, and receives the number of commands that were refused. The mode of the socket file decides who may connect.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logger.boundary.rate_limit import RateLimit
from logger.boundary.untrusted_json import loads
from logger.recorder.socket_file import bind

log = logging.getLogger(__name__)

MAX_CLIENTS = 16
"""The crew server, a terminal or two, and the team's own programs."""
MAX_LINE_BYTES = 8192
"""A command has some hundred bytes; a client that sends more without a line end is disconnected."""
MAX_ANSWER_BYTES = 65_536
"""Answers queued per client; a client that never reads them is disconnected."""
MAX_COMMANDS_PER_S = 20
"""Rate limit per client: several pages in use at once. Every command is an event in the log."""
MAX_COMMANDS_TOTAL_PER_S = 100
"""Rate limit of all clients together: reconnecting for each few commands gains little."""
PAUSE_S = 1.0
"""Reading stops for this long after a command over the limit."""
MAX_PAUSED_BYTES = 16_384
"""A paused client that sends more than this is disconnected: reading it takes time from the decoder."""

Command = Callable[[dict[str, Any], Callable[[str | None], None]], None]
"""Takes a command's fields and a callback for its outcome: None, or the error."""


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    unsent: bytes = b""
    answers: bytes = b""
    read: bytes = b""
    seen: int = 0
    interest: int = 0
    rate_limit: RateLimit = field(default_factory=lambda: RateLimit(MAX_COMMANDS_PER_S))
    paused_until_s: float | None = None
    refused: int = 0


class LiveSocket:
    """Serves snapshots from `publish` to its clients, and passes commands to `on_command`.

    Calls `on_refused` with the number of refused commands when a flood ends.
    """

    def __init__(self, path: Path, on_command: Command, on_refused: Callable[[int], None]) -> None:
        """Bind the socket. Raises OSError.

        Replaces a stale socket left by a crash, but neither the socket of a running recorder nor another kind of file.
        """
        self.path = path
        self._on_command = on_command
        self._on_refused = on_refused
        self._rate_limit = RateLimit(MAX_COMMANDS_TOTAL_PER_S)
        self._listener = bind(path)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._newest = b""
        self._number = 0
        self._answers: list[tuple[_Client, bytes]] = []
        self._closing = False
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()

    def publish(self, line: Callable[[], bytes]) -> None:
        """Replace the snapshot's line; `line` is called only if a client is connected. Any thread."""
        if not self._clients:
            return
        newest = line()
        with self._lock:
            self._newest = newest
            self._number += 1
        self._wake()

    def close(self) -> None:
        """Stop the thread."""
        self._closing = True
        self._wake()

    def run(self) -> None:
        """The thread's body, until `close`."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_fd, selectors.EVENT_READ)
        while not self._closing:
            for key, events in self._selector.select(self._select_timeout_s()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fd == self._wake_fd:
                    os.eventfd_read(self._wake_fd)
                else:
                    self._serve(self._clients[key.fd], events)
            self._resume_paused()
            self._send_pending()
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.close()
        self._listener.close()
        os.close(self._wake_fd)
        with suppress(FileNotFoundError):
            self.path.unlink()

    def _wake(self) -> None:
        with suppress(OSError):
            os.eventfd_write(self._wake_fd, 1)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._clients) >= MAX_CLIENTS:
            connection.close()
            return
        connection.setblocking(False)
        client = self._clients[connection.fileno()] = _Client(connection, seen=self._number)
        self._update_interest(client)

    def _serve(self, client: _Client, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                data = client.connection.recv(MAX_LINE_BYTES)
                if not data:
                    raise ConnectionResetError
                self._read(client, data)
            if events & selectors.EVENT_WRITE:
                self._send(client)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)

    def _read(self, client: _Client, data: bytes) -> None:
        *lines, client.read = (client.read + data).split(b"\n")
        if len(client.read) > MAX_LINE_BYTES:
            raise ConnectionAbortedError("a line without an end")
        for line in lines:
            if not line.strip():
                continue
            now = time.monotonic()
            if client.paused_until_s is None and client.rate_limit.take(now) and self._rate_limit.take(now):
                self._run_command(client, line)
            else:
                client.refused += 1
                client.paused_until_s = now + PAUSE_S
        self._update_interest(client)

    def _run_command(self, client: _Client, line: bytes) -> None:
        try:
            fields = loads(line)
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or not isinstance(fields.get("command"), str):
            self._answer(client, None, 'a line is a JSON object with a "command"')
            return
        number = fields.pop("id", None)
        self._on_command(fields, lambda error: self._answer(client, number, error))

    def _answer(self, client: _Client, number: Any, error: str | None) -> None:
        outcome = (
            {"answer": number, "ok": True}
            if error is None
            else {"answer": number, "ok": False, "error": error}
        )
        with self._lock:
            self._answers.append((client, json.dumps(outcome).encode() + b"\n"))
        self._wake()

    def _send_pending(self) -> None:
        with self._lock:
            newest, number = self._newest, self._number
            answers, self._answers = self._answers, []
        for client, line in answers:
            client.answers += line
        for client in list(self._clients.values()):
            # Finish a line in progress; then send the answers, then only the newest snapshot.
            if not client.unsent:
                client.unsent, client.answers = client.answers, b""
                if client.seen != number and newest:
                    client.unsent += newest
                    client.seen = number
            if len(client.answers) > MAX_ANSWER_BYTES:
                self._drop(client)
            elif client.unsent:
                try:
                    self._send(client)
                except OSError:
                    self._drop(client)

    def _send(self, client: _Client) -> None:
        with suppress(BlockingIOError):
            client.unsent = client.unsent[client.connection.send(client.unsent) :]
        self._update_interest(client)

    def _update_interest(self, client: _Client) -> None:
        """Select a client for reading unless it is paused, and for writing while bytes are unsent."""
        interest = 0 if client.paused_until_s is not None else selectors.EVENT_READ
        interest |= selectors.EVENT_WRITE if client.unsent else 0
        before, client.interest = client.interest, interest
        if not before and interest:
            self._selector.register(client.connection, interest)
        elif before and not interest:
            self._selector.unregister(client.connection)
        elif interest != before:
            self._selector.modify(client.connection, interest)

    def _select_timeout_s(self) -> float | None:
        """Time until the first paused client is due; None without one."""
        pauses = [
            client.paused_until_s for client in self._clients.values() if client.paused_until_s is not None
        ]
        return max(0.0, min(pauses) - time.monotonic()) if pauses else None

    def _resume_paused(self) -> None:
        """Check the clients whose pause is over: pause again who kept sending, resume and inform who was silent."""
        now = time.monotonic()
        for client in list(self._clients.values()):
            if client.paused_until_s is None or now < client.paused_until_s:
                continue
            try:
                data = client.connection.recv(MAX_PAUSED_BYTES)
                if not data or len(data) == MAX_PAUSED_BYTES:
                    raise ConnectionAbortedError("gone, or a flood")
                self._read(client, data)
            except BlockingIOError:
                client.paused_until_s = None
                self._answer(client, None, f"too fast: {client.refused} commands were refused")
                self._report_refused(client)
                self._update_interest(client)
            except OSError:
                self._drop(client)

    def _report_refused(self, client: _Client) -> None:
        if client.refused:
            log.warning("%d commands came too fast and were refused", client.refused)
            self._on_refused(client.refused)
            client.refused = 0

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None) is not None:
            if client.interest:
                self._selector.unregister(client.connection)
            client.connection.close()
            self._report_refused(client)
