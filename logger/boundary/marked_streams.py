"""Standard streams that mark control characters, whoever prints: a library, a traceback, help.

`print` cannot send a command to a terminal through them. The line end is the one control character that they take.
"""

from __future__ import annotations

import io
import sys
from typing import Any, TextIO

from firmware_bridge.printable import marked


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
