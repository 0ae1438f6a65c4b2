"""The live socket: one JSON document a line to whoever listens, commands a line from whoever may speak.

    down   a snapshot                                  {"utc": ..., "section": ...}
           an answer                                   {"answer": ID, "ok": true} or {..., "ok": false, "error": "..."}
    up     {"command": "mark", "id": ID, ...}

One thread, one `select`. A listener that does not read gets the newest snapshot when it does, and never more: the
recorder keeps nothing for it and waits for nobody. Who may connect is the socket file's mode.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

MAX_CLIENTS = 16
"""The crew server, a terminal or two, and whatever the team adds."""
MAX_LINE_BYTES = 8192
"""A command is some hundred bytes; whoever sends more without a line end is cut off."""
MAX_ANSWER_BYTES = 65_536
"""Answers wait for a listener up to this; one that never reads is cut off."""
SOCKET_MODE = 0o660
"""The recorder's own group may command."""

Command = Callable[[dict[str, Any], Callable[[str | None], None]], None]
"""Takes a command's fields and what to call with its outcome: None, or what was wrong."""


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    unsent: bytes = b""
    answers: bytes = b""
    read: bytes = b""
    seen: int = 0
    interest: int = field(default=selectors.EVENT_READ)


class LiveSocket:
    """Serves snapshots from `publish` to any number of listeners, and hands commands to `on_command`."""

    def __init__(self, path: Path, on_command: Command) -> None:
        """Bind the socket; a stale one left by a crash is replaced, any other file is not. Raises OSError."""
        self.path = path
        self._on_command = on_command
        self._listener = _listener(path)
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
        line = json.dumps(snapshot(), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
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
            for key, events in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fd == self._wake_fd:
                    os.eventfd_read(self._wake_fd)
                else:
                    self._serve(self._clients[key.fd], events)
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
        self._clients[connection.fileno()] = _Client(connection, seen=self._number)
        self._selector.register(connection, selectors.EVENT_READ)

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
            if line.strip():
                self._take(client, line)

    def _take(self, client: _Client, line: bytes) -> None:
        try:
            fields = json.loads(line)
            # JSON can spell what is no text and no number; neither the log nor a listener could take it.
            json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
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
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.unsent else 0)
        if interest != client.interest:
            client.interest = interest
            self._selector.modify(client.connection, interest)

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None) is not None:
            self._selector.unregister(client.connection)
            client.connection.close()


def _listener(path: Path) -> socket.socket:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_socket():
        path.unlink()
    elif path.exists():
        raise FileExistsError(errno.EEXIST, "a file that is no socket is there", str(path))
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(SOCKET_MODE)
        listener.listen(MAX_CLIENTS)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
