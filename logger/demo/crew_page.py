"""The crew page of a demonstration: `stagelog serve` as a child process."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from logger.boundary import own_process
from logger.boundary.terminal import echo


class CrewPage:
    """The running process. Its lines on standard error go to `relay`, by default printed, from a thread `crew page`."""

    def __init__(self, configuration: Path, relay: Callable[[str], None] | None) -> None:
        command = own_process.command("logger", "serve", "-c", str(configuration))
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            command, env=own_process.environment(), stderr=subprocess.PIPE, text=True, errors="replace"
        )
        self._relay = relay or _print
        self._reader = threading.Thread(target=self._read, name="crew page", daemon=True)
        self._reader.start()

    def has_ended(self) -> bool:
        """Whether the process has ended and all its lines were passed on."""
        return self._process.poll() is not None and not self._reader.is_alive()

    def terminate(self) -> None:
        """Ask the process to end."""
        self._process.terminate()

    def wait(self) -> None:
        """Wait until the process has ended and all its lines were passed on."""
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - opened as a pipe
        with self._process.stderr as lines:
            for line in lines:
                self._relay(line.rstrip("\n"))


def has_server(port: int) -> bool:
    """Return whether a server listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _print(line: str) -> None:
    echo(line, err=True)
