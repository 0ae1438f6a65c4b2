"""Replace closed standard streams (`info LOG >&-`), and mark control characters in output.

Python has None for a closed stream, and the next opened file would get its number: a log could become the standard
output. A closed output fails as a full disk does: a verb that prints fails, a verb that prints nothing runs. Output
to a closed standard error is discarded.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

from firmware_bridge.printable import marked

_MODES = {"stdin": os.O_RDONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
"""Open modes of /dev/null, by stream number from 0. A write to the standard output fails, so that output is never
lost silently."""


def open_closed() -> None:
    """Fill the descriptor of each closed stream before another file can take it."""
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
    """A standard stream that never fails to encode, and marks control characters other than the line end."""

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
        """Replace control characters by marks, then write."""
        return self.write_styled(text if text.isprintable() else "\n".join(map(marked, text.split("\n"))))

    def write_styled(self, text: str) -> int:
        """Write text with our own control characters."""
        return super().write(text)


class _Styled:
    """A view of a marked stream that writes text unchanged, for code that draws."""

    def __init__(self, stream: _Marked) -> None:
        self._stream = stream
        self.write = stream.write_styled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def styled(stream: TextIO) -> Any:
    """The stream to use for text that contains our own control characters and marks."""
    return _Styled(stream) if isinstance(stream, _Marked) else stream


def mark_streams() -> None:
    """Wrap both output streams of this process, so that foreign control characters become marks."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and not isinstance(stream, _Marked):
            setattr(sys, name, _Marked(stream))
