"""What a client asks of a file: which bytes, and of which version (RFC 9110, 13 and 14). Knows no file and no socket.

A version's tag is its SHA-256 in quotes: strong, so bytes of two answers with the same tag fit together.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII)
_TAG = re.compile(r'(W/)?"([^"]*)"', re.ASCII)
_MOST_DIGITS = 18
"""A number of more than these is beyond the end of any file."""


class UnsatisfiableError(Exception):
    """The range begins behind the end of the file."""


def asked_range(text: str | None, size: int) -> range | None:
    """The bytes that a Range header asks for; None for all of them.

    What is no single range of bytes is passed over, as the standard says. Raises UnsatisfiableError.
    """
    found = _RANGE.fullmatch(text or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        last = _number(found[2])
        if last == 0 or size == 0:
            raise UnsatisfiableError
        return range(max(0, size - last), size)
    first, last = _number(found[1]), _number(found[2]) if found[2] else size - 1
    if found[2] and last < first:
        return None
    if first >= size:
        raise UnsatisfiableError
    return range(first, min(last, size - 1) + 1)


def _number(digits: str) -> int:
    return int(digits) if len(digits.lstrip("0")) <= _MOST_DIGITS else 10**_MOST_DIGITS


def tag(sha256: str) -> str:
    """The tag of a version."""
    return f'"{sha256}"'


def tags(text: str | None) -> frozenset[str]:
    """The strong tags in an If-Range, If-Match or If-None-Match header, without their quotes; "*" stands for itself."""
    if (text or "").strip() == "*":
        return frozenset("*")
    return frozenset(found[2] for found in _TAG.finditer(text or "") if not found[1])


def wanted(headers: Mapping[str, str]) -> frozenset[str]:
    """The versions that a request would go on with: those named by If-Match and If-Range."""
    return (tags(headers.get("if-match")) | tags(headers.get("if-range"))) - {"*"}


def digest_header(sha256: str) -> str:
    """A Repr-Digest (RFC 9530): that of the whole file, whichever part is sent."""
    return f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode()}:"
