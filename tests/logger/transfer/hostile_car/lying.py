"""What a malicious car answers, and the limits within which `fetch` must end."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import NamedTuple

from tests.logger.transfer.hostile_server import (
    Behaviour,
    Pieces,
    list_of,
    log_named,
    until_closed,
)

NAME = "stage-1-001.db"
SHA = "cd" * 32
ETAG = f'ETag: "{SHA}"'


class Ended(NamedTuple):
    code: int
    out: str
    err: list[str]


Fetch = Callable[..., Ended]


def at_list(*pieces: bytes | float) -> Behaviour:
    """Send this, whatever is requested."""
    return lambda _asked, _request: pieces


def listing(of_log: Callable[[], Pieces], *logs: object) -> Behaviour:
    """A valid list, of one log by default; each download is answered by `of_log`."""
    body = list_of(*(logs or (log_named(NAME),)))
    return lambda requested, _request: [body] if requested == "GET /api/logs" else of_log()


CHUNK = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
BOMB = gzip.compress(bytes(50_000_000), compresslevel=1)
OK_HEAD = b"HTTP/1.1 200 OK\r\n"


def slowly(piece: bytes) -> Pieces:
    """Faster than the minimum rate, and too slow to reach its size."""
    return until_closed(piece, 0.04)


def after(first: bytes, more: Pieces) -> Pieces:
    """`first`, then `more`: lazily, because `more` may be endless."""
    yield first
    yield from more
