"""Read the files that somebody names: a configuration, an itinerary, rules, DBC files."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Iterable
from pathlib import Path

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.printable import marked

MOST_BYTES = 1 << 25
"""32 MB: more than any file that somebody wrote for a configuration."""


PIPE_S = 2.0
"""A pipe that is silent for so long has nobody at its other end."""


class UnreadableError(ConfigurationError):
    """A file that is not there, or not ours to read."""


class NotAFileError(OSError):
    """A folder, a device, a pipe or a socket where a file is wanted."""


def read_dbcs(paths: Iterable[Path]) -> dict[str, str]:
    """The texts of DBC files, by file name. Raises ConfigurationError."""
    from firmware_bridge.engine.dbc_statements import MAX_DBC_BYTES, text_of  # noqa: PLC0415 - only where one is named

    texts = {}
    for path in paths:
        data = read_bytes(path)
        if len(data) > MAX_DBC_BYTES:
            what = f"more than {MAX_DBC_BYTES // 1_000_000} MB, which no DBC file has"
            raise ConfigurationError(
                what, where=str(path), hint="take it out, or keep the messages that are needed"
            )
        texts[marked(path.name)] = text_of(data)  # a name may be no UTF-8, which no log can hold
    return texts


def read_text(path: Path, hint: str = "check its name") -> str:
    """A UTF-8 text file. Raises ConfigurationError, with `mend` where the file cannot be read."""
    data = read_bytes(path, hint)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigurationError(
            "not UTF-8 text", where=f"{path}:{line}", hint="save the file in UTF-8"
        ) from error


def read_bytes(path: Path, hint: str = "check its name") -> bytes:
    """A whole file. Raises ConfigurationError, also for one that does not end."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(MOST_BYTES + 1) if is_file else _read_pipe(file.fileno())
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    if len(data) > MOST_BYTES:
        what = f"over {MOST_BYTES >> 20} MB"
        raise ConfigurationError(what, where=str(path), hint="name the file that is meant")
    return data


def require_file(path: Path) -> None:
    """Raise NotAFileError for a folder, and for a device, a pipe or a socket: to open or read one may never end."""
    if path.exists() and not path.is_file():
        what = "this is a folder" if path.is_dir() else "a device or a pipe, not a file"
        raise NotAFileError(errno.EINVAL, what, str(path))


def _open_at_once(name: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(name, flags | os.O_NONBLOCK)


def _read_pipe(descriptor: int) -> bytes:
    """All that comes from a pipe or a device, up to what is too much. Raises OSError when nothing comes."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    data = bytearray()
    while len(data) <= MOST_BYTES:
        if not poll.poll(PIPE_S * 1000):
            raise OSError(errno.ETIMEDOUT, "nothing comes from it")
        if not (chunk := os.read(descriptor, MOST_BYTES)):
            break
        data += chunk
    return bytes(data)
