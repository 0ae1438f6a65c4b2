"""Malicious lists of logs: `fetch` ends in time, in one line, and leaves nothing behind."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.logger.transfer.hostile_car.lying import BOMB, CHUNK, OK_HEAD, Fetch, after, at_list, slowly
from tests.logger.transfer.hostile_server import (
    Behaviour,
    HostileServer,
    answer,
    trickle,
    until_closed,
)

pytestmark = pytest.mark.load_sensitive


def nested(depth: int) -> bytes:
    return b'{"logs":' + b"[" * depth + b"]" * depth + b"}"


def chunked(*chunks: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(chunks)


LISTS: dict[str, Behaviour] = {
    "rows of 1e999": at_list(answer(b'{"logs":[{"name":"a.db","rows":1e999}]}')),
    "rows of NaN": at_list(answer(b'{"logs":[{"name":"a.db","rows":NaN}]}')),
    "a number of 100,000 digits": at_list(
        answer(b'{"logs":[{"name":"a.db","rows":' + b"9" * 100_000 + b"}]}")
    ),
    "JSON 100,000 deep": at_list(answer(nested(100_000))),
    "JSON 100 deep": at_list(answer(nested(100))),
    "JSON that never closes": at_list(answer(b"[" * 1_000_000)),
    "no object": at_list(answer(b"[]")),
    "entries that are no objects": at_list(answer(b'{"logs":["a.db",5,null]}')),
    "logs that is an object": at_list(answer(b'{"logs":{"name":"a.db"}}')),
    "no UTF-8": at_list(answer(b'{"logs":["\xff\xfe"]}')),
    "a million logs": at_list(
        answer(b'{"logs":[' + b",".join(b'{"name":"%d.db"}' % n for n in range(1_000_000)) + b"]}")
    ),
    "an empty answer": at_list(answer(b"")),
    "100 Continue for ever": lambda _a, _r: until_closed(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "100 Continue slowly for ever": lambda _a, _r: until_closed(b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    "102 Processing with headers for ever": lambda _a, _r: until_closed(
        b"HTTP/1.1 102 Processing\r\nX: " + b"y" * 8000 + b"\r\n\r\n"
    ),
    "101 Switching Protocols": at_list(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
    "a byte at a time, in the status line": lambda _a, _r: trickle(b"HTTP/1.1 200 " + b"O" * 5000),
    "a byte at a time, in the headers": lambda _a, _r: trickle(OK_HEAD + b"X: " + b"y" * 5000),
    "a byte at a time, in the body": lambda _a, _r: trickle(answer(b" " * 5000)),
    "headers just fast enough, for ever": lambda _a, _r: after(
        OK_HEAD, slowly(b"X-A: " + b"b" * 20 + b"\r\n")
    ),
    "a chunk's extension just fast enough": lambda _a, _r: after(chunked(b"5;a="), slowly(b"y" * 30)),
    "a body just fast enough, for ever": lambda _a, _r: after(OK_HEAD + b"\r\n", slowly(b" " * 30)),
    "a length of 5,000 digits": at_list(OK_HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 5.0),
    "a length of 15,000 digits": at_list(OK_HEAD + b"Content-Length: " + b"9" * 15_000 + b"\r\n\r\n", 5.0),
    "a length of 18 digits": at_list(answer(b"{}", length=10**18 - 1), 5.0),
    "a negative length": at_list(OK_HEAD + b"Content-Length: -5\r\n\r\n{}"),
    "two lengths": at_list(OK_HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "a length and chunks": at_list(OK_HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
    "headers without end": lambda _a, _r: after(OK_HEAD, until_closed(b"X-A: b\r\n" * 100)),
    "a header without end": lambda _a, _r: after(OK_HEAD + b"X: ", until_closed(b"y" * 4096)),
    "a status line without end": lambda _a, _r: until_closed(b"H" * 4096),
    "a status of 5,000 digits": at_list(b"HTTP/1.1 " + b"2" * 5000 + b" OK\r\n\r\n"),
    "a chunk of 2^80 bytes": at_list(chunked(b"fffffffffffffffffffff\r\n", b"x" * 1000), 5.0),
    "a chunk of 2^76 bytes": at_list(chunked(b"7ffffffffffffffffff\r\n", b"x" * 1000), 5.0),
    "a chunk size of 5,000 digits": at_list(chunked(b"0" * 5000 + b"5\r\n{}   \r\n0\r\n\r\n"), 5.0),
    "a chunk of negative size": at_list(chunked(b"-5\r\n", b"x" * 1000), 5.0),
    "a chunk extension without end": lambda _a, _r: after(chunked(b"5;a="), until_closed(b"y" * 4096)),
    "chunks without end": lambda _a, _r: after(chunked(), until_closed(CHUNK)),
    "trailers without end": lambda _a, _r: after(
        chunked(b"2\r\n{}\r\n0\r\n"), until_closed(b"X-A: b\r\n" * 100)
    ),
    "a body without end": lambda _a, _r: after(OK_HEAD + b"\r\n", until_closed(b" " * 65536)),
    "a body shorter than announced": at_list(answer(b'{"logs":', length=1000)),
    "a body longer than announced": at_list(answer(b'{"logs":[]}', length=5)),
    "gzip": at_list(answer(BOMB, 200, "Content-Encoding: gzip")),
    "brotli and a transfer encoding": at_list(
        OK_HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNK, 5.0
    ),
    "silence": at_list(30.0),
    "a close at once": at_list(),
    "half a head": at_list(OK_HEAD + b"Content-Le"),
    "SSH": at_list(b"SSH-2.0-OpenSSH_9.2\r\n", 5.0),
    "HTTP/2": at_list(b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80", 5.0),
    "random bytes": at_list(hashlib.shake_256(b"seed").digest(100_000)),
    "busy for 10^9 seconds": at_list(answer(b"{}", 503, "Retry-After: 1000000000")),
    "busy for -5 seconds": at_list(answer(b"{}", 503, "Retry-After: -5")),
    "busy for 5,000 digits of seconds": at_list(answer(b"{}", 503, "Retry-After: " + "9" * 5000)),
    "busy until a date": at_list(answer(b"{}", 503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT")),
    "401 for ever": lambda requested, _r: [
        answer(b"", 303, "Set-Cookie: s=1") if requested == "POST /login" else answer(b"{}", 401)
    ],
    "a pass of 15,000 characters": lambda requested, _r: [
        answer(b"", 303, "Set-Cookie: s=" + "x" * 15_000)
        if requested == "POST /login"
        else answer(b"{}", 401)
    ],
    "a pass with control characters": lambda requested, _r: [
        answer(b"", 303, "Set-Cookie: s=\xe9\x85") if requested == "POST /login" else answer(b"{}", 401)
    ],
    "429 for 10^9 seconds": lambda requested, _r: [
        answer(b"", 429, "Retry-After: 1e9") if requested == "POST /login" else answer(b"{}", 401)
    ],
    "an error with escape sequences": at_list(answer(b'{"error":"\\u001b[2J\\u0007\\nstagelog: done"}', 500)),
    "an error of a megabyte": at_list(answer(b'{"error":"' + b"x" * 1_000_000 + b'"}', 404)),
    "an error 100,000 deep": at_list(answer(b'{"error":' + b"[" * 100_000, 404)),
}


@pytest.mark.parametrize("what", LISTS)
def test_a_malicious_list(what: str, fetch: Fetch, laptop: Path) -> None:
    with HostileServer(LISTS[what]) as server:
        done = fetch(server.port, "--pin", "1234-5678")
    assert done.code in (69, 74), done
    assert [line.count(f"127.0.0.1:{server.port}") for line in done.err] == [1] * len(done.err), done.err
    assert list(laptop.iterdir()) == []
    assert list(laptop.parent.iterdir()) == [laptop]
