"""Read a CAN log with python-can in a separate process with limited memory and time."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from firmware_bridge.printable import printable
from firmware_bridge.records import CanFrame
from logger.boundary import own_process
from logger.replay.python_can_reader import END, HEAD, MAX_DATA_BYTES, processor_s

_MAX_WHY_BYTES = 4096
"""Bytes read of a library's error message."""


class UnreadableError(Exception):
    """The file cannot be read any further."""


def frames(path: Path) -> Iterator[CanFrame]:
    """The frames of a file, timed by its own stamps in microseconds. Raises UnreadableError, OSError."""
    command = own_process.command("logger.replay.python_can_reader", str(path.absolute()))
    with subprocess.Popen(  # noqa: S603 - ourselves
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=own_process.environment(OPENBLAS_NUM_THREADS="1"),
    ) as reader:
        assert reader.stdout is not None  # noqa: S101 - a pipe was requested
        try:
            yield from _frames(reader.stdout)
        except EOFError as error:
            raise UnreadableError(_exit_reason(reader.wait(), path)) from error
        finally:
            reader.kill()


def _frames(stream: IO[bytes]) -> Iterator[CanFrame]:
    """Raises EOFError where the reader ends without an END, UnreadableError with the reason of an END."""
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        stamp_us, can_id, bus, length = HEAD.unpack(head)
        if length > MAX_DATA_BYTES:
            why = stream.read(_MAX_WHY_BYTES).decode(errors="replace") if length == END else "odd"
            if why:
                raise UnreadableError(printable(" ".join(why.split())))
            return
        data = stream.read(length)
        if len(data) < length:
            break
        yield CanFrame(stamp_us, bus, can_id, data)
    raise EOFError


def _exit_reason(code: int, path: Path) -> str:
    """Why the reader ended without an END record."""
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        return f"reading it takes more than {processor_s(path.stat().st_size):.0f} s of processor time"
    return f"its reader exited with {code}"
