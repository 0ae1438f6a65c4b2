"""The frames of a CAN log that python-can reads, through a process that bounds what reading it takes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from firmware_bridge.printable import printable
from firmware_bridge.records import CanFrame
from logger.replay.python_can_reader import END, HEAD, MOST_DATA_BYTES, processor_s

_ROOT = Path(__file__).parents[2]
_MOST_WHY_BYTES = 4096
"""Read of what a library says of a damaged file."""


class UnreadableError(Exception):
    """A file cannot be read any further."""


def frames(path: Path) -> Iterator[CanFrame]:
    """The frames of a file, timed by its own stamps in microseconds. Raises UnreadableError, OSError."""
    # -P: not the working folder's modules, which may be those of whoever gave the file.
    command = (sys.executable, "-P", "-m", "logger.replay.python_can_reader", str(path.absolute()))
    places = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(  # noqa: S603 - ourselves
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": places, "OPENBLAS_NUM_THREADS": "1"},
    ) as reader:
        assert reader.stdout is not None  # noqa: S101 - asked for
        try:
            yield from _frames(reader.stdout)
        except EOFError as error:
            raise UnreadableError(_ended(reader.wait(), path)) from error
        finally:
            reader.kill()


def _frames(stream: IO[bytes]) -> Iterator[CanFrame]:
    """Raises EOFError where the reader ended without a word, UnreadableError with its last one."""
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        stamp_us, can_id, bus, length = HEAD.unpack(head)
        if length > MOST_DATA_BYTES:
            why = stream.read(_MOST_WHY_BYTES).decode(errors="replace") if length == END else "odd"
            if why:
                raise UnreadableError(printable(" ".join(why.split())))
            return
        data = stream.read(length)
        if len(data) < length:
            break
        yield CanFrame(stamp_us, bus, can_id, data)
    raise EOFError


def _ended(code: int, path: Path) -> str:
    """Why a reader ended that could not say it itself."""
    if -code in (signal.SIGXCPU, signal.SIGKILL):
        return f"it takes more than {processor_s(path.stat().st_size):.0f} s of the processor"
    return f"its reader ended with {code}"
