"""The real crew server as a process, and a plain HTTP client for it."""

from __future__ import annotations

import json
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.memory import resident_kb

PIN = "jaune-2468"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - such a server is what the pin is for
START_S = 60.0

_CONFIG = """
[log]
directory = "{logs}"
min_free_mb = {min_free_mb}
[gps]
port = "socket://127.0.0.1:9"
[live]
socket = "{socket}"
[serve]
host = "{host}"
port = {port}
state = "state"
"""


@dataclass
class Answer:
    """An HTTP response; `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A running crew server; an answer may take `answer_s`."""

    process: subprocess.Popen[str]
    port: int
    output: Path
    answer_s: float = 60.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def resident_kb(self) -> int:
        """Resident memory."""
        return resident_kb(self.process.pid)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> Answer:  # fmt: skip
        """Send one request on a connection of its own."""
        connection = HTTPConnection(address, self.port, timeout=self.answer_s)
        try:
            connection.request(method, path, body, dict(headers or {}))
            got = connection.getresponse()
            return Answer(got.status, {key.lower(): value for key, value in got.getheaders()}, got.read())
        finally:
            connection.close()

    def command(self, command: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a command as the page does."""
        sent = {"content-type": "application/json", **(headers or {})}
        return self.ask("/api/command", "POST", json.dumps(command).encode(), sent)


@contextmanager
def serving(
    folder: Path,
    live_socket: Path,
    *options: str,
    host: str = "127.0.0.1",
    port: int = 0,
    pin: str | None = None,
    logs: Path | str = "logs",
    min_free_mb: int = 0,
    more: str = "",
) -> Iterator[Served]:
    """`stagelog serve` while the body runs; `more` is added to its [serve]."""
    config = folder / "stagelog.toml"
    text = _CONFIG.format(socket=live_socket, host=host, port=port, logs=logs, min_free_mb=min_free_mb)
    config.write_text(text + (f'pin = "{pin}"\n' if pin else "") + more)
    output = folder / "serve.txt"
    program = "import sys; from logger.crew.verbs import serve; serve(sys.argv[1:])"
    with output.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "-c", str(config), *options], stderr=stream, text=True
        )
    try:
        yield Served(process, port_of(process, output), output)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()


def port_of(process: subprocess.Popen[str], output: Path, within_s: float = START_S) -> int:
    """The port of a crew server that starts, from its output."""
    began = time.monotonic()
    while time.monotonic() - began < within_s:
        found = re.search(r"crew page at http://[^ ]*:(\d+)/", output.read_text())
        if found:
            return int(found[1])
        assert process.poll() is None, output.read_text()
        select.select([], [], [], 0.05)
    raise AssertionError(f"the crew server did not start: {output.read_text()}")


def login(served: Served, guess: str) -> Answer:
    """Send the form of the page that asks for the pin."""
    form = {"content-type": "application/x-www-form-urlencoded", "origin": served.url}
    return served.ask("/login", "POST", urlencode({"pin": guess}).encode(), form)
