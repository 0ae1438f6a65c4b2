"""Recognise a file by its first bytes, so that an error can say what was named and which verb takes it.

if (kind := other_kind(path, "log")) is not None:
    raise LogError(f"cannot be read: {kind.name}, not a log", where=str(path), hint=kind.hint)
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast

HEAD_BYTES: Final = 4096
"""A GPX file may begin with a long list of namespaces."""
Kind = Literal["log", "gpx", "toml", "nmea", "dbc", "can", "page", "packed", "paper", "text"]


class Recognised(NamedTuple):
    """A kind of file as a person calls it, and the verb that takes it."""

    kind: Kind
    name: str
    hint: str


_TAKES_ROUTES = "`stagelog review` takes a driven track, `stagelog import` a planned route"
_TAKES_RECORDINGS = "`stagelog replay` takes it, and with -o makes a log of it"
_PACKED = rb"\A(\x1f\x8b|PK\x03\x04|BZh\d1AY&SY|\xfd7zXZ\0|\x28\xb5\x2f\xfd|7z\xbc\xaf\x27\x1c|Rar!\x1a)"
"""gzip, zip, bzip2, xz, Zstandard, 7-Zip, RAR"""
_KINDS: tuple[tuple[re.Pattern[bytes], Recognised], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.MULTILINE), Recognised(cast("Kind", kind), name, hint))
    for pattern, kind, name, hint in (
        (rb"\ASQLite format 3\0", "log", "an SQLite file", "`stagelog info` describes a log"),
        (rb"\A(LOGG|MDF {5})", "can", "a CAN log", _TAKES_RECORDINGS),
        (_PACKED, "packed", "a compressed file", "unpack it first"),
        (rb"\A%PDF-", "paper", "a PDF file", "name the file that it was made from"),
        (rb"\A(\xef\xbb\xbf)?\s*<(?s:.*?)gpx\b", "gpx", "a GPX file", _TAKES_ROUTES),
        (rb"\A\W*<(!doctype )?html", "page", "a web page", "name the log that it was made from"),
        (rb"^\$(G[A-Z]|P)[A-Z]{2,}[A-Z0-9]*,", "nmea", "an NMEA text", _TAKES_RECORDINGS),
        (rb"^(BO_ |VERSION \"|NS_ ?:)", "dbc", "a DBC file", "--dbc takes it"),
        (rb"^[ \t]*\[\[?[ \t]*[a-z_]+[ \t]*\]\]?", "toml", "a TOML file", "`stagelog check` checks it"),
    )
)
_TEXT = Recognised("text", "a text", "`stagelog replay` takes an NMEA text or a CAN log")


def other_kind(path: Path, *accepted: Kind) -> Recognised | None:
    """The kind of a file if it is recognised and not accepted; None for others. Raises OSError if it cannot be read."""
    if not path.is_file():  # opening a pipe would wait
        return None
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = next(
        (kind for pattern, kind in _KINDS if pattern.search(head)), _TEXT if _is_text(head) else None
    )
    return None if found is None or found.kind in accepted else found


def _is_text(head: bytes) -> bool:
    """Whether these are characters: no zero byte, and valid UTF-8 except for a character that is cut at the end."""
    kept = head.decode("utf-8", "ignore").encode()
    return bool(head.strip()) and b"\0" not in head and len(head) - len(kept) < len("\U0010ffff".encode())
