"""Standard streams that whoever started the program has closed (`stagelog info LOG >&-`).

Python has None in their place, and the next file that is opened would get their number: a log could be the standard
output. A closed output takes nothing: what a verb prints there fails as on a full disk, and a verb that prints
nothing runs as ever. A closed standard error is nobody's to read.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

from firmware_bridge.printable import marked

_MODES = {"stdin": os.O_RDONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
"""Of /dev/null, by number from 0. A write to the standard output fails: it is not lost without a word."""


def open_closed() -> None:
    """Fill the place of each stream that is closed, before any other file can take it."""
    for number, (name, mode) in enumerate(_MODES.items()):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, mode)  # the lowest free number: the stream's own
            os.set_inheritable(descriptor, True)
            stream = os.fdopen(
                descriptor, "w" if number else "r", encoding="utf-8", errors="backslashreplace"
            )
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)  # as for an open one, it stays open when `name` is replaced


class _Marked(io.TextIOWrapper):
    """A standard stream that takes no control character but the line end, and never fails to encode one."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        stream.flush()
        super().__init__(
            stream.buffer,
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )

    def write(self, text: str) -> int:
        """Mark and write."""
        return self.write_styled(text if text.isprintable() else "\n".join(map(marked, text.split("\n"))))

    def write_styled(self, text: str) -> int:
        """Write our own control characters."""
        return super().write(text)


class _Styled:
    """A marked stream as those see it that draw: what they write is written as it is."""

    def __init__(self, stream: _Marked) -> None:
        self._stream = stream
        self.write = stream.write_styled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def styled(stream: TextIO) -> Any:
    """The stream for text that carries control characters of our own, and marks for all others."""
    return _Styled(stream) if isinstance(stream, _Marked) else stream


def mark_streams() -> None:
    """Put the border around both standard streams of this process."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, _Marked):
            setattr(sys, name, _Marked(stream))
