"""The questions on a real terminal; the typed pin is never shown."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from pathlib import Path

import pytest

from logger.config import configuration
from tests.logger.install.conftest import PIN

WAIT_S = 60


class Terminal:
    """`stagelog install` on a pseudo terminal."""

    def __init__(self, *arguments: str) -> None:
        self.seen = ""
        self._answered = 0
        self._child, self._master = pty.fork()
        if self._child == 0:
            code = "from logger.install.verbs import install; install()"
            os.execv(sys.executable, [sys.executable, "-c", code, *arguments])  # noqa: S606

    def answer(self, question: str, text: str) -> None:
        """Wait for the text of a question, then type."""
        self.until(question)
        os.write(self._master, text.encode() + b"\n")

    def until(self, words: str) -> str:
        """Wait for text after the last match; return what came before it."""
        begun, ends = self._answered, time.monotonic() + WAIT_S
        while (at := self.seen.find(words, begun)) < 0:
            assert self._read(ends - time.monotonic()), self.seen
        self._answered = at + len(words)
        return self.seen[begun:at]

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        while self._read(WAIT_S):
            pass
        os.close(self._master)
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])

    def _read(self, patience_s: float) -> bool:
        if not select.select([self._master], [], [], max(0.0, patience_s))[0]:
            return False
        try:
            data = os.read(self._master, 4096)
        except OSError:  # the other side is gone
            return False
        self.seen += data.decode()
        return bool(data)


@pytest.mark.load_sensitive
def test_a_few_questions_make_a_configuration(image: Path) -> None:
    terminal = Terminal("--root", str(image))
    terminal.answer("Car number", "five")
    terminal.answer("Car number", "500")
    terminal.answer("Device of the GPS receiver", "/dev/ttyAMA0")
    terminal.answer("Device of the CAN adapter", "")
    terminal.answer("Protocol of the adapter", "gvret")
    terminal.answer("Bit rate", "250000")
    terminal.answer("Pin for the crew page", "123")
    terminal.answer("Repeat the pin", "123")
    assert "at least 4 characters" in terminal.until("Pin for the crew page")
    terminal.answer("machine only): ", PIN)
    terminal.answer("Repeat the pin", PIN)
    assert terminal.wait() == 0, terminal.seen
    assert PIN not in terminal.seen
    found = configuration.load(image / "etc/stagelog/stagelog.toml")
    assert found.gps is not None
    assert (found.car.number, found.gps.port, found.serve.pin) == (500, "/dev/ttyAMA0", PIN)
    assert (found.can[0].port, found.can[0].protocol) == ("/dev/stagelog-can", "gvret")


def test_options_replace_questions(image: Path) -> None:
    terminal = Terminal(
        "--root", str(image), "--number", "7", "--gps-port", "/dev/ttyAMA0", "--can-port", ""
    )  # fmt: skip
    terminal.answer("Pin for the crew page", "")
    terminal.answer("Repeat the pin", "")
    assert terminal.wait() == 0, terminal.seen
    found = configuration.load(image / "etc/stagelog/stagelog.toml")
    assert (found.car.number, found.can, found.serve.host) == (7, (), "127.0.0.1")
