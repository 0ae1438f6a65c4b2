"""Parse HTTP range and conditional request headers (RFC 9110, 13 and 14). Knows no file and no socket.

A version's entity tag is its SHA-256 in quotes: a strong tag, so byte ranges of two answers with it can be joined.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping

_RANGE = re.compile(r"bytes[ \t]*=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII)
_TAG = re.compile(r'(W/)?"([^"]*)"', re.ASCII)
_MAX_DIGITS = 18
"""A number with more digits is beyond the end of any file."""


class UnsatisfiableError(Exception):
    """The range begins after the end of the file."""


def requested_range(text: str | None, size: int) -> range | None:
    """The bytes that a Range header requests; None for all of them.

    A header that is not a single byte range is ignored, as the standard requires. Raises UnsatisfiableError.
    """
    match = _RANGE.fullmatch(text or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        last = _number(match[2])
        if last == 0 or size == 0:
            raise UnsatisfiableError
        return range(max(0, size - last), size)
    first, last = _number(match[1]), _number(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None
    if first >= size:
        raise UnsatisfiableError
    return range(first, min(last, size - 1) + 1)


def _number(digits: str) -> int:
    return int(digits) if len(digits.lstrip("0")) <= _MAX_DIGITS else 10**_MAX_DIGITS


def tag(sha256: str) -> str:
    """The entity tag of a version."""
    return f'"{sha256}"'


def tags(text: str | None) -> frozenset[str]:
    """The strong tags in an If-Range, If-Match or If-None-Match header, without quotes; "*" is returned as it is."""
    if (text or "").strip() == "*":
        return frozenset("*")
    return frozenset(match[2] for match in _TAG.finditer(text or "") if not match[1])


def requested_versions(headers: Mapping[str, str]) -> frozenset[str]:
    """The versions that a request can resume: the tags in If-Match and If-Range."""
    return (tags(headers.get("if-match")) | tags(headers.get("if-range"))) - {"*"}


def digest_header(sha256: str) -> str:
    """A Repr-Digest header (RFC 9530): the digest of the whole file, whichever part is sent."""
    return f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode()}:"
