"""Check untrusted file names: a name from another machine, a log or a store never becomes a path.

    within(folder, name)     the only way to join such a name to a folder; LogError if it is not accepted
    is_file_name(name)       whether it is accepted
    suggested(name)          the nearest accepted name, where a name is only a proposal (a browser's download)

An accepted name can be stored unchanged on every file system, so that a log can travel on a stick: no separators, no
".." or hidden names, none of the characters and device names that FAT, exFAT and NTFS reserve, no control, formatting
or unpaired surrogate characters, no leading or trailing space or dot, and at most 255 bytes.
"""

from __future__ import annotations

import os
import re
from itertools import accumulate, islice
from pathlib import Path
from typing import Final, TypeGuard

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable

MAX_NAME_BYTES: Final = 255
"""NAME_MAX of Linux file systems; APFS, NTFS and exFAT allow as many or more."""
_RESERVED = frozenset('<>:"/\\|?*')
"""Separators, a drive's colon, and Windows' reserved characters (learn.microsoft.com, Naming Files, Paths, and
Namespaces)."""
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
"""Windows device names, with any extension."""


def is_file_name(name: object, *, room_bytes: int = 0) -> TypeGuard[str]:
    """Whether a file may have this name plus a suffix of `room_bytes`."""
    return isinstance(name, str) and not _objection(name, room_bytes)


def within(folder: Path, name: str, *, room_bytes: int = 0) -> Path:
    """The path of `name` in a folder. Raises LogError if the name is not accepted."""
    if objection := _objection(name, room_bytes):
        hint = "rename the file at its source"
        raise LogError(f"not a file name: {objection}", where=repr(printable(name)), hint=hint)
    return folder / name


def suggested(name: str, *, room_bytes: int = 0) -> str:
    """The nearest accepted name: other characters become "_", and a long name loses its middle."""
    plain = "".join(c if c.isprintable() and c not in _RESERVED else "_" for c in name).strip(" .")
    if _DEVICE.fullmatch(_before_dot(plain)) or not plain:
        plain = f"_{plain}"
    limit_bytes = MAX_NAME_BYTES - room_bytes
    encoded = plain.encode()
    if len(encoded) > limit_bytes:
        half = limit_bytes // 2
        plain = encoded[:half].decode(errors="ignore") + encoded[-(limit_bytes - half) :].decode(
            errors="ignore"
        )
    return plain


def is_without_links(folder: Path, path: Path) -> bool:
    """Whether neither a path nor any folder between it and `folder` is a symbolic link."""
    below = path.relative_to(folder).parts
    if ".." in below:
        return False
    paths = accumulate(below, lambda parent, name: f"{parent}/{name}", initial=str(folder))
    return not any(os.path.islink(each) for each in islice(paths, 1, None))  # noqa: PTH114 - a third of the time


def open_unlinked(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open a file that is not a symbolic link; returns its descriptor. Raises OSError (ELOOP for a link)."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)


def _objection(name: str, room_bytes: int) -> str:
    """The reason a name is not accepted; "" for an accepted name."""
    if not name.isprintable():
        return "it has characters that cannot be printed"
    if reserved := next((c for c in name if c in _RESERVED), ""):
        return f"it has the character {reserved}"
    if not name or name != name.strip(" ."):
        return "it is empty, or begins or ends with a dot or a space"
    if _DEVICE.fullmatch(_before_dot(name)):
        return "it is a device name on Windows"
    if len(name.encode()) + room_bytes > MAX_NAME_BYTES:
        return f"it is over {MAX_NAME_BYTES - room_bytes} bytes long"
    return ""


def _before_dot(name: str) -> str:
    return name.partition(".")[0].rstrip(" ")
