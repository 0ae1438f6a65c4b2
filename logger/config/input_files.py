"""Read the files named by a user: a configuration, an itinerary, rules, DBC files."""

from __future__ import annotations

import codecs
import errno
import os
import select
import stat
from collections.abc import Iterable
from pathlib import Path

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.printable import marked
from logger.boundary.file_kind import other_kind
from logger.boundary.os_errors import hint_for

MAX_BYTES = 1 << 25
"""32 MB: more than any file written for a configuration."""

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHECK_NAME = "check its name"
PIPE_S = 2.0
"""A pipe that is silent for this long has no writer."""


class UnreadableError(ConfigurationError):
    """A file that does not exist or cannot be read."""


class NotAFileError(OSError):
    """A folder, a device, a pipe or a socket where a regular file is required."""


def read_dbcs(paths: Iterable[Path]) -> dict[str, str]:
    """The texts of DBC files, by file name. Raises ConfigurationError."""
    from firmware_bridge.engine.dbc_statements import MAX_DBC_BYTES, text_of  # noqa: PLC0415 - only where one is named

    texts = {}
    for path in paths:
        data = read_bytes(path)
        if len(data) > MAX_DBC_BYTES:
            what = f"over {MAX_DBC_BYTES // 1_000_000} MB, too large for a DBC file"
            raise ConfigurationError(
                what, where=str(path), hint="remove it, or keep only the messages you need"
            )
        texts[marked(path.name)] = text_of(data)  # a log cannot hold a name that is not UTF-8
    return texts


def read_text(path: Path, hint: str = _CHECK_NAME) -> str:
    """A text file in UTF-8, or in UTF-16 with its mark. Raises ConfigurationError, with `hint` if it cannot be read."""
    data = read_bytes(path, hint)
    if (other := other_kind(path, "toml", "text")) is not None:
        raise ConfigurationError(
            f"this is {other.name}", where=str(path), hint=other.hint if hint == _CHECK_NAME else hint
        )
    try:
        return decoded(data)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigurationError(
            "not UTF-8 text", where=f"{path}:{line}", hint="save the file in UTF-8"
        ) from error


def decoded(data: bytes) -> str:
    """The text in the bytes of a file. Raises UnicodeDecodeError."""
    # Windows' editor writes a mark at the beginning; its "Unicode" is UTF-16.
    return data.decode("utf-16" if data.startswith(_UTF_16_MARKS) else "utf-8-sig")


def read_bytes(path: Path, hint: str = _CHECK_NAME) -> bytes:
    """A whole file, up to `MAX_BYTES`. Raises ConfigurationError."""
    try:
        with open(path, "rb", opener=_open_nonblocking) as file:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_BYTES + 1) if is_file else _read_pipe(file.fileno())
    except OSError as error:
        raise UnreadableError(
            f"cannot be read: {error.strerror}", where=str(path), hint=hint_for(error, hint)
        ) from error
    if len(data) > MAX_BYTES:
        what = f"over {MAX_BYTES >> 20} MB"
        raise ConfigurationError(what, where=str(path), hint="check that this is the right file")
    return data


def require_file(path: Path) -> None:
    """Raise NotAFileError for a folder, a device, a pipe or a socket: opening or reading one may never end."""
    if path.exists() and not path.is_file():
        what = "this is a folder" if path.is_dir() else "a device or a pipe, not a file"
        raise NotAFileError(errno.EINVAL, what, str(path))


def _open_nonblocking(name: str, flags: int) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(name, flags | os.O_NONBLOCK)


def _read_pipe(descriptor: int) -> bytes:
    """Everything from a pipe or a device, up to one chunk over `MAX_BYTES`. Raises OSError if nothing arrives."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    data = bytearray()
    while len(data) <= MAX_BYTES:
        if not poll.poll(PIPE_S * 1000):
            raise OSError(errno.ETIMEDOUT, "no data arrives from it")
        if not (chunk := os.read(descriptor, MAX_BYTES)):
            break
        data += chunk
    return bytes(data)
