"""The live socket: one JSON document a line to whoever listens, commands a line from whoever may speak.

    down   a snapshot                                  {"utc": ..., "section": ...}
           an answer                                   {"answer": ID, "ok": true} or {..., "ok": false, "error": "..."}
    up     {"command": "mark", "id": ID, ...}

One thread, one `select`. A listener that does not read gets the newest snapshot when it does, and never more: the
recorder keeps nothing for it and waits for nobody. One that commands faster than any crew is not listened to until
it has been quiet for a second, and is told how much of what it said was not done. Who may connect is the socket
file's mode.
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

from logger.boundary.rate_limit import Allowance
from logger.boundary.untrusted_json import loads
from logger.recorder.socket_file import bound

log = logging.getLogger(__name__)

MAX_CLIENTS = 16
"""The crew server, a terminal or two, and whatever the team adds."""
MAX_LINE_BYTES = 8192
"""A command is some hundred bytes; whoever sends more without a line end is cut off."""
MAX_ANSWER_BYTES = 65_536
"""Answers wait for a listener up to this; one that never reads is cut off."""
MAX_COMMANDS_A_S = 20
"""Of one client: several pages with a finger on each. Every command is an event in the log."""
MAX_COMMANDS_IN_ALL_A_S = 100
"""Of all together: whoever connects anew for each handful gains little."""
REST_S = 1.0
MAX_REST_BYTES = 16_384
"""Who says more than this while it is not listened to is cut off: reading it costs the decoder its time."""

Command = Callable[[dict[str, Any], Callable[[str | None], None]], None]
"""Takes a command's fields and what to call with its outcome: None, or what was wrong."""


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    unsent: bytes = b""
    answers: bytes = b""
    read: bytes = b""
    seen: int = 0
    interest: int = 0
    allowance: Allowance = field(default_factory=lambda: Allowance(MAX_COMMANDS_A_S))
    rests_until: float | None = None
    refused: int = 0


class LiveSocket:
    """Serves snapshots from `publish` to any number of listeners, and hands commands to `on_command`.

    `on_refused` is told how many commands were not taken, once a flood is over.
    """

    def __init__(self, path: Path, on_command: Command, on_refused: Callable[[int], None]) -> None:
        """Bind the socket; a stale one left by a crash is replaced, that of a running recorder and any other file
        are not. Raises OSError."""
        self.path = path
        self._on_command = on_command
        self._on_refused = on_refused
        self._allowance = Allowance(MAX_COMMANDS_IN_ALL_A_S)
        self._listener = bound(path)
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._newest = b""
        self._number = 0
        self._answers: list[tuple[_Client, bytes]] = []
        self._closing = False
        self._clients: dict[int, _Client] = {}
        self._selector = selectors.DefaultSelector()

    def publish(self, snapshot: Callable[[], dict[str, Any]]) -> None:
        """Replace the snapshot, which is made only when somebody listens; any thread."""
        if not self._clients:
            return
        text = json.dumps(snapshot(), separators=(",", ":"), ensure_ascii=False)
        line = text.encode(errors="backslashreplace") + b"\n"  # in a path that is no UTF-8, JSON's escape
        with self._lock:
            self._newest = line
            self._number += 1
        self._wake()

    def close(self) -> None:
        """Let the thread end."""
        self._closing = True
        self._wake()

    def run(self) -> None:
        """The thread's body, until `close`."""
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._wake_fd, selectors.EVENT_READ)
        while not self._closing:
            for key, events in self._selector.select(self._patience_s()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fd == self._wake_fd:
                    os.eventfd_read(self._wake_fd)
                else:
                    self._serve(self._clients[key.fd], events)
            self._rouse()
            self._hand_out()
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
        self._look_out(client)

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
            if client.rests_until is None and client.allowance.take(now) and self._allowance.take(now):
                self._take(client, line)
            else:
                client.refused += 1
                client.rests_until = now + REST_S
        self._look_out(client)

    def _take(self, client: _Client, line: bytes) -> None:
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

    def _hand_out(self) -> None:
        with self._lock:
            newest, number = self._newest, self._number
            answers, self._answers = self._answers, []
        for client, line in answers:
            client.answers += line
        for client in list(self._clients.values()):
            # A line under way is finished; behind it come the answers, then only the newest snapshot.
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
        self._look_out(client)

    def _look_out(self, client: _Client) -> None:
        """For what the selector is to wait: what the client says, unless it rests, and room for what it is to hear."""
        interest = 0 if client.rests_until is not None else selectors.EVENT_READ
        interest |= selectors.EVENT_WRITE if client.unsent else 0
        before, client.interest = client.interest, interest
        if not before and interest:
            self._selector.register(client.connection, interest)
        elif before and not interest:
            self._selector.unregister(client.connection)
        elif interest != before:
            self._selector.modify(client.connection, interest)

    def _patience_s(self) -> float | None:
        """Until the first of those that were too fast is to be listened to again."""
        rests = [client.rests_until for client in self._clients.values() if client.rests_until is not None]
        return max(0.0, min(rests) - time.monotonic()) if rests else None

    def _rouse(self) -> None:
        """Look at those that have rested: who went on goes on resting, who was quiet is told and listened to."""
        now = time.monotonic()
        for client in list(self._clients.values()):
            if client.rests_until is None or now < client.rests_until:
                continue
            try:
                said = client.connection.recv(MAX_REST_BYTES)
                if not said or len(said) == MAX_REST_BYTES:
                    raise ConnectionAbortedError("gone, or a flood")
                self._read(client, said)
            except BlockingIOError:
                client.rests_until = None
                self._answer(client, None, f"too fast: {client.refused} commands were not done")
                self._tell_refused(client)
                self._look_out(client)
            except OSError:
                self._drop(client)

    def _tell_refused(self, client: _Client) -> None:
        if client.refused:
            log.warning("%d commands came too fast and were not done", client.refused)
            self._on_refused(client.refused)
            client.refused = 0

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None) is not None:
            if client.interest:
                self._selector.unregister(client.connection)
            client.connection.close()
            self._tell_refused(client)
