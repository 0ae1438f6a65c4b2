"""Malicious downloads: `fetch` ends in time, in one line, and writes no more than was announced."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from logger.boundary import whole_file
from tests.logger.transfer.hostile_car.lying import (
    BOMB,
    CHUNK,
    ETAG,
    NAME,
    OK_HEAD,
    Fetch,
    after,
    listing,
    slowly,
)
from tests.logger.transfer.hostile_server import (
    HostileServer,
    Pieces,
    answer,
    list_of,
    log_named,
    trickle,
)
from tests.logger.transfer.logs_made import closed

pytestmark = pytest.mark.load_sensitive


def part(first: int, last: int, size: int, body: bytes = b"", etag: str = ETAG) -> bytes:
    return answer(body, 206, etag, f"Content-Range: bytes {first}-{last}/{size}")


def of_numbers(make: Callable[[int], bytes]) -> Callable[[], Pieces]:
    """A response that differs each time."""
    numbers = count()
    return lambda: [make(next(numbers))]


def changing(size: int) -> bytes:
    return answer(b"x" * 1000, 200, f'ETag: "{size:064x}"', length=2000)


DOWNLOADS: dict[str, Callable[[], Pieces]] = {
    "416 for ever": lambda: [answer(b"", 416, ETAG, "Content-Range: bytes */100")],
    "416 with a range": lambda: [answer(b"", 416, ETAG, "Content-Range: bytes 0-99/100")],
    "416 that says nothing": lambda: [answer(b"", 416)],
    "304 that nobody asked for": lambda: [answer(b"", 304, ETAG)],
    "202 for ever": lambda: [answer(b'{"done": 0.5}', 202)],
    "202 with a share of 10^400": lambda: [answer(b'{"done": 1' + b"0" * 400 + b"}", 202)],
    "202 with a share 100,000 deep": lambda: [answer(b'{"done": ' + b"[" * 100_000, 202)],
    "202 and silence": lambda: [answer(b'{"done":', 202, length=100), 30.0],
    "a redirect": lambda: [answer(b"", 302, "Location: http://127.0.0.1:9/")],
    "no etag": lambda: [answer(b"x" * 100)],
    "an etag that is a path": lambda: [answer(b"x" * 100, 200, 'ETag: "../../../tmp/evil"')],
    "an etag of 10,000 digits": lambda: [answer(b"x" * 100, 200, 'ETag: "' + "ab" * 5000 + '"')],
    "an etag in capitals": lambda: [answer(b"x" * 100, 200, 'ETag: "' + "AB" * 32 + '"')],
    "chunks without a length": lambda: [
        OK_HEAD + ETAG.encode() + b"\r\nTransfer-Encoding: chunked\r\n\r\n",
        CHUNK,
    ],
    "a range that ends before it begins": lambda: [part(100, 49, 50)],
    "a range beyond 2^63": lambda: [part(0, 10**19 - 1, 10**19)],
    "a range that is not the rest": lambda: [part(0, 49, 100, b"x" * 50)],
    "a part that begins elsewhere, for ever": lambda: [part(50, 99, 100, b"x" * 50)],
    "another version each time": of_numbers(lambda n: part(50, 99, 100, b"x" * 50, f'ETag: "{n:064x}"')),
    "another version each time, cut off": of_numbers(changing),
    "a byte at a time": lambda: trickle(answer(b"x" * 5000, 200, ETAG)),
    "headers just fast enough, for ever": lambda: after(OK_HEAD, slowly(b"X-A: " + b"b" * 20 + b"\r\n")),
    "a complaint just fast enough, for ever": lambda: after(b"HTTP/1.1 404 No\r\n\r\n", slowly(b" " * 30)),
    "a byte and a cut": lambda: [answer(b"x", 200, ETAG, length=5000)],
    "gzip": lambda: [answer(BOMB, 200, ETAG, "Content-Encoding: gzip")],
    "silence": lambda: [30.0],
    "an exabyte": lambda: [answer(b"x" * 1000, 200, ETAG, length=10**18 - 1), 5.0],
    "the whole disk": lambda: [answer(b"x" * 1000, 200, ETAG, length=shutil.disk_usage("/").total), 5.0],
}


@pytest.mark.parametrize("what", DOWNLOADS)
def test_a_malicious_download(what: str, fetch: Fetch, laptop: Path) -> None:
    with HostileServer(listing(DOWNLOADS[what])) as server:
        done = fetch(server.port)
        assert done.code in (69, 74), done
        assert server.requested("GET") < 100
    assert [path.name for path in laptop.iterdir() if path.suffix != ".part"] == []
    assert sum(path.stat().st_size for path in laptop.iterdir()) <= 10_000
    assert list(laptop.parent.iterdir()) == [laptop]


def test_a_log_larger_than_the_disk_is_refused_before_a_byte_is_written(
    fetch: Fetch, laptop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = shutil.disk_usage(laptop)
    free = whole_file.KEEP_FREE_BYTES + 1_000_000
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: disk._replace(free=free))
    for size, code, left in ((1_000_001, 74, []), (1_000_000, 69, [".part"])):
        body = answer(bytes(1000), 200, ETAG, length=size)
        with HostileServer(listing(of_numbers(lambda _n, body=body: body))) as server:  # type: ignore[misc]
            done = fetch(server.port, patience_s=0)
        assert (done.code, [path.suffix for path in laptop.iterdir()]) == (code, left)
        assert ("too little room" in done.out) == (code == 74)


def test_a_car_that_never_finishes_confirming_a_delivery(fetch: Fetch, laptop: Path, tmp_path: Path) -> None:
    data = closed(tmp_path / "made" / NAME, 10).read_bytes()
    etag = f'ETag: "{hashlib.sha256(data).hexdigest()}"'

    def behave(requested: str, _request: bytes) -> Pieces:
        if requested.startswith("POST"):
            return DOWNLOADS["headers just fast enough, for ever"]()
        return [list_of(log_named(NAME)) if requested == "GET /api/logs" else answer(data, 200, etag)]

    with HostileServer(behave) as server:
        done = fetch(server.port, patience_s=2.0)
    assert done.code == 69
    assert (laptop / NAME).read_bytes() == data


def test_bytes_beyond_those_announced_are_not_written(fetch: Fetch, laptop: Path) -> None:
    data = b"x" * 1000
    etag = f'ETag: "{hashlib.sha256(data).hexdigest()}"'
    chunks = (f"HTTP/1.1 206 OK\r\n{etag}\r\nContent-Range: bytes 0-999/1000\r\n").encode()
    more = chunks + b"Transfer-Encoding: chunked\r\n\r\n" + b"7d0\r\n" + data * 2 + b"\r\n" + CHUNK * 100
    with HostileServer(listing(lambda: [more])) as server:
        done = fetch(server.port)
    (kept,) = laptop.iterdir()  # the announced bytes, which are not a log
    assert (done.code, kept.name, kept.read_bytes()) == (1, f"{NAME}.damaged", data)
