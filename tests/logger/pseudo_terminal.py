"""A program on a pseudo terminal, as a person sees it: type answers, wait for words, read the screen."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

from tests.logger.command_line import ENVIRONMENT

WAIT_S = 60
_UP = "\x1b[1A"
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """`python ARGUMENTS` on a terminal of 24 lines; `seen` is all that it wrote, with control codes."""

    def __init__(
        self,
        *arguments: str | Path,
        folder: Path | None = None,
        columns: int = 80,
        environment: Mapping[str, str] = ENVIRONMENT,
    ) -> None:
        self.seen = ""
        self._answered = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._child, self._master = pty.fork()
        if self._child == 0:
            os.chdir(folder or ".")
            fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            command = [sys.executable, *map(str, arguments)]
            os.execve(sys.executable, command, {"TERM": "xterm", **environment})  # noqa: S606

    def answer(self, question: str, text: str) -> None:
        """Wait for the text of a question, then type."""
        self.until(question)
        self.type(text + "\n")

    def type(self, text: str) -> None:
        """Type some characters."""
        os.write(self._master, text.encode())

    def until(self, words: str, wait_s: float = WAIT_S) -> str:
        """Wait for text after the last match; return what came before it."""
        begun, ends = self._answered, time.monotonic() + wait_s
        while (at := self.seen.find(words, begun)) < 0:
            assert self._read(ends - time.monotonic()), self.seen
        self._answered = at + len(words)
        return self.seen[begun:at]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        os.kill(self._child, number)

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        while self._read(WAIT_S):
            pass
        os.close(self._master)
        return os.waitstatus_to_exitcode(os.waitpid(self._child, 0)[1])

    def lines(self) -> list[str]:
        """What was written, line by line, as the screen shows it at the end: overwritten text is gone."""
        shown: list[str] = []
        for line in self.seen.replace("\r\n", "\n").split("\n"):
            if (up := line.count(_UP)) and shown:  # a progress bar that removes itself
                del shown[-up:]
            shown.append(_CODES.sub("", line.rpartition("\r")[2].rpartition(_UP)[2]))
        return shown

    def _read(self, patience_s: float) -> bool:
        if not select.select([self._master], [], [], max(0.0, patience_s))[0]:
            return False
        try:
            data = os.read(self._master, 4096)
        except OSError:  # the other side is gone
            return False
        self.seen += self._decoder.decode(data)  # a read may end within a character
        return bool(data)
