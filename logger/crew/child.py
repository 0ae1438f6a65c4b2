"""Run a `stagelog` verb as a low-priority child process and kill it when its client leaves."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from logger.boundary import own_process

PIECE_BYTES = 64 * 1024
STDERR_TAIL_BYTES = 500
"""The end of its stderr that is kept, for the last line."""
LOWEST_PRIORITY = 19
OOM_SCORE_ADJ = 1000
"""The kernel kills this process first when memory runs out."""


class Child:
    """A `stagelog` verb as a process: stdout, exit code and last stderr line. Leaving the context kills it."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._stderr_tail = b""

    async def __aenter__(self) -> Child:
        command = own_process.command("logger", *self._arguments)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *command, stdout=pipe, stderr=pipe, env=own_process.environment()
        )
        with suppress(OSError):  # a sandboxed service may not be allowed to
            os.setpriority(os.PRIO_PROCESS, self._process.pid, LOWEST_PRIORITY)
        with suppress(OSError):
            Path(f"/proc/{self._process.pid}/oom_score_adj").write_text(str(OOM_SCORE_ADJ))
        self._stderr_reader = asyncio.create_task(self._read_stderr())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        self._stderr_reader.cancel()
        await asyncio.gather(self._stderr_reader, return_exceptions=True)

    async def read(self) -> bytes:
        """The next chunk of its stdout; empty at the end."""
        assert self._process.stdout is not None  # noqa: S101 - opened as a pipe
        return await self._process.stdout.read(PIECE_BYTES)

    async def wait(self) -> int:
        """Wait for its end; the exit code."""
        code = await self._process.wait()
        await self._stderr_reader
        return code

    def last_line(self) -> str:
        """The last line of its stderr, with paths reduced to file names."""
        lines = self._stderr_tail.decode(errors="replace").strip().splitlines()
        line = lines[-1].removeprefix("stagelog: ") if lines else "it failed"
        return " ".join(word.rpartition("/")[2] for word in line.split(" "))

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - opened as a pipe
        while chunk := await self._process.stderr.read(STDERR_TAIL_BYTES):
            self._stderr_tail = (self._stderr_tail + chunk)[-STDERR_TAIL_BYTES:]
