"""A verb of ours as a process of its own, at low priority, for as long as somebody waits for what it makes."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

PIECE_BYTES = 64 * 1024
SAID_BYTES = 500
"""Of what it says at most so much is kept, the last."""
LOWEST = 19
FIRST_TO_GO = 1000
"""When memory runs out, it is this process that the kernel ends."""


class Child:
    """A verb of ours as a process: its output, its end, and the last line it said. Killed with its context."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._said = b""

    async def __aenter__(self) -> Child:
        command = (sys.executable, "-m", "logger", *self._arguments)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        with suppress(OSError):  # a service may be forbidden to
            os.setpriority(os.PRIO_PROCESS, self._process.pid, LOWEST)
        with suppress(OSError):
            Path(f"/proc/{self._process.pid}/oom_score_adj").write_text(str(FIRST_TO_GO))
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    async def read(self) -> bytes:
        """A piece of what it writes; nothing at its end."""
        assert self._process.stdout is not None  # noqa: S101 - asked for
        return await self._process.stdout.read(PIECE_BYTES)

    async def wait(self) -> int:
        """Its exit code."""
        code = await self._process.wait()
        await self._listening
        return code

    def said(self) -> str:
        """Its last line, without the folder that the log lies in."""
        lines = self._said.decode(errors="replace").strip().splitlines()
        line = lines[-1].removeprefix("stagelog: ") if lines else "it failed"
        return " ".join(word.rpartition("/")[2] for word in line.split(" "))

    async def _listen(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - asked for
        while some := await self._process.stderr.read(SAID_BYTES):
            self._said = (self._said + some)[-SAID_BYTES:]
