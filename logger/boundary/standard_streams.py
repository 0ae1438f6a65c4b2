"""Standard streams that whoever started the program has closed (`stagelog info LOG >&-`).

Python has None in their place, and the next file that is opened would get their number: a log could be the standard
output. A closed output takes nothing: what a verb prints there fails as on a full disk, and a verb that prints
nothing runs as ever. A closed standard error is nobody's to read.
"""

from __future__ import annotations

import os
import sys

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
