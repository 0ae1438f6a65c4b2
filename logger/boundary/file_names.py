"""The border for names that become files: a name that another machine, a log or a store chose never becomes a path.

    within(folder, name)     the one way to join such a name onto a folder; LogError for one that is not accepted
    is_file_name(name)       whether it is accepted
    suggested(name)          the nearest accepted name, where a name is only proposed (a browser's download)

Accepted is what every file system stores unchanged, so that a log can travel on a stick as well: no separators, no
".." or hidden names, none of the characters and device names that FAT, exFAT and NTFS reserve, no control,
formatting or unpaired surrogate characters, no space or dot at an end, and at most 255 bytes.
"""

from __future__ import annotations

import os
import re
from itertools import accumulate, islice
from pathlib import Path
from typing import Final, TypeGuard

from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable

MOST_NAME_BYTES: Final = 255
"""NAME_MAX of Linux's file systems; APFS, NTFS and exFAT take as many or more."""
_RESERVED = frozenset('<>:"/\\|?*')
"""Separators, a drive's colon, and what Windows reserves (learn.microsoft.com, Naming Files, Paths, and Namespaces)."""
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])", re.IGNORECASE)
"""Names of devices of Windows, whatever follows a dot behind them."""


def is_file_name(name: object, *, room_bytes: int = 0) -> TypeGuard[str]:
    """Whether a file may have this name, with `room_bytes` more behind it."""
    return isinstance(name, str) and not _objection(name, room_bytes)


def within(folder: Path, name: str, *, room_bytes: int = 0) -> Path:
    """The path of `name` in a folder. Raises LogError for a name that is not accepted."""
    if objection := _objection(name, room_bytes):
        hint = "rename the file where it comes from"
        raise LogError(f"not a file name: {objection}", where=repr(printable(name)), hint=hint)
    return folder / name


def suggested(name: str, *, room_bytes: int = 0) -> str:
    """The nearest accepted name: other characters become "_", and the middle of a long name is left out."""
    plain = "".join(c if c.isprintable() and c not in _RESERVED else "_" for c in name).strip(" .")
    if _DEVICE.fullmatch(_before_dot(plain)) or not plain:
        plain = f"_{plain}"
    most = MOST_NAME_BYTES - room_bytes
    encoded = plain.encode()
    if len(encoded) > most:
        half = most // 2
        plain = encoded[:half].decode(errors="ignore") + encoded[-(most - half) :].decode(errors="ignore")
    return plain


def is_without_links(folder: Path, path: Path) -> bool:
    """Whether nothing between a folder and a path below it is a symbolic link, the path itself included."""
    below = path.relative_to(folder).parts
    if ".." in below:
        return False
    places = accumulate(below, lambda place, name: f"{place}/{name}", initial=str(folder))
    return not any(os.path.islink(place) for place in islice(places, 1, None))  # noqa: PTH114 - a third of the time


def open_unlinked(path: Path, flags: int, mode: int = 0o666) -> int:
    """A descriptor of a file that is no symbolic link. Raises OSError (ELOOP for a link)."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)


def _objection(name: str, room_bytes: int) -> str:
    """What is wrong with a name; "" for one that is accepted."""
    if not name.isprintable():
        return "it has characters that cannot be printed"
    if found := next((c for c in name if c in _RESERVED), ""):
        return f"it has the character {found}"
    if not name or name != name.strip(" ."):
        return "it is empty, or begins or ends with a dot or a space"
    if _DEVICE.fullmatch(_before_dot(name)):
        return "Windows has a device of this name"
    if len(name.encode()) + room_bytes > MOST_NAME_BYTES:
        return f"it is over {MOST_NAME_BYTES - room_bytes} bytes long"
    return ""


def _before_dot(name: str) -> str:
    return name.partition(".")[0].rstrip(" ")
