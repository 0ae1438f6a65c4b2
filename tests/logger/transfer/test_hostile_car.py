"""`fetch` from a malicious server: every case ends in time, in one line, and leaves nothing behind.

The verb itself runs here, through the program's own entry point, with shorter time limits.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import resource
import shutil
import socket
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from logger.boundary import whole_file
from logger.boundary.untrusted_json import MAX_BYTES
from logger.cli import main
from logger.transfer import exchange
from logger.transfer.retry import Retry
from tests.logger.transfer.hostile_server import (
    Behaviour,
    HostileServer,
    Pieces,
    answer,
    list_of,
    log_named,
    trickle,
    until_closed,
)
from tests.logger.transfer.logs_made import closed

pytestmark = pytest.mark.load_sensitive

NAME = "stage-1-001.db"
LIMITS = exchange.Limits(
    silence_s=0.3, slow_s=0.3, response_s=0.8, preparing_s=0.3, ask_again_s=0.05, worthless_s=1.0
)
BUDGET_S = 8.0
"""Time limit of a fetch with these limits and a short --patience, on a loaded machine."""
MORE_KB = 200_000
"""Memory that a fetch may take in addition to what the test already uses."""
SHA = "cd" * 32
ETAG = f'ETag: "{SHA}"'


class Ended(NamedTuple):
    code: int
    out: str
    err: list[str]


Fetch = Callable[..., Ended]


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    folder = tmp_path / "laptop"
    folder.mkdir()
    return folder


@pytest.fixture
def fetch(laptop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fetch:
    monkeypatch.setattr(exchange, "LIMITS", LIMITS)

    def run(port: int, *options: str, host: str = "127.0.0.1", patience_s: float = 0.4) -> Ended:
        words = ["fetch", f"{host}:{port}", str(laptop), "--patience", str(patience_s), *options]
        monkeypatch.setattr(sys, "argv", ["stagelog", *words])
        begun_s, before_kb = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        code = main._run()
        assert time.monotonic() - begun_s < BUDGET_S
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < MORE_KB
        out, err = capsys.readouterr()
        for line in [*out.splitlines(), *err.splitlines()]:
            assert line.isprintable(), line
            assert len(line) < 1000
        assert "Traceback" not in err
        return Ended(code, out, err.splitlines())

    return run


def at_list(*pieces: bytes | float) -> Behaviour:
    """Send this, whatever is requested."""
    return lambda _asked, _request: pieces


def listing(of_log: Callable[[], Pieces], *logs: object) -> Behaviour:
    """A valid list, of one log by default; each download is answered by `of_log`."""
    body = list_of(*(logs or (log_named(NAME),)))
    return lambda requested, _request: [body] if requested == "GET /api/logs" else of_log()


def nested(depth: int) -> bytes:
    return b'{"logs":' + b"[" * depth + b"]" * depth + b"}"


def chunked(*chunks: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(chunks)


CHUNK = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
BOMB = gzip.compress(bytes(50_000_000), compresslevel=1)
OK_HEAD = b"HTTP/1.1 200 OK\r\n"

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


def slowly(piece: bytes) -> Pieces:
    """Faster than the minimum rate, and too slow to reach its size."""
    return until_closed(piece, 0.04)


def after(first: bytes, more: Pieces) -> Pieces:
    """`first`, then `more`: lazily, because `more` may be endless."""
    yield first
    yield from more


@pytest.mark.parametrize("what", LISTS)
def test_a_malicious_list(what: str, fetch: Fetch, laptop: Path) -> None:
    with HostileServer(LISTS[what]) as server:
        done = fetch(server.port, "--pin", "1234-5678")
    assert done.code in (69, 74), done
    assert [line.count(f"127.0.0.1:{server.port}") for line in done.err] == [1] * len(done.err), done.err
    assert list(laptop.iterdir()) == []
    assert list(laptop.parent.iterdir()) == [laptop]


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


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_and_no_other_server_gets_the_pin(status: int, fetch: Fetch) -> None:
    with HostileServer(at_list(list_of())) as other:
        where = f"http://127.0.0.2:{other.port}/"
        away = answer(
            b"", status, f"Location: {where}", f"Refresh: 0; url={where}", f"Content-Location: {where}"
        )

        def login(requested: str, _request: bytes) -> Pieces:
            return [away if requested == "POST /login" else answer(b"{}", 401, f"Location: {where}")]

        for behave in (at_list(away), login):
            with HostileServer(behave) as server:
                assert fetch(server.port, "--pin", "1234-5678").code == 69
        assert other.requests == []


def test_a_redirect_after_the_login_is_not_followed(fetch: Fetch) -> None:
    with HostileServer(at_list(list_of())) as other:
        welcome = answer(
            b"", 303, "Set-Cookie: pass=abc; Domain=evil", f"Location: http://127.0.0.2:{other.port}/"
        )

        def behave(requested: str, request: bytes) -> Pieces:
            if requested == "POST /login":
                return [welcome]
            return [list_of() if b"pass=abc" in request else answer(b"{}", 401)]

        with HostileServer(behave) as server:
            assert fetch(server.port, "--pin", "1234-5678").code == 0
        assert other.requests == []


def test_the_pin_is_sent_only_to_the_first_address_of_the_name(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name resolves to another machine once the car has asked for the pin, or has set a session cookie."""
    leads_to = ["127.0.0.1"]
    ask_system = socket.getaddrinfo

    def resolve(host: str, *arguments: Any, **options: Any) -> Any:
        return ask_system(leads_to[-1] if host == "car.test" else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    def car(requested: str, request: bytes) -> Pieces:
        if requested == "POST /login":
            leads_to.append("127.0.0.2")
            return [answer(b"", 303, "Set-Cookie: pass=abc")]
        if b"pass=abc" not in request and moves_at_once:
            leads_to.append("127.0.0.2")
        return [answer(b"{}", 401)]

    for moves_at_once in (True, False):
        leads_to[:] = ["127.0.0.1"]
        with (
            HostileServer(car) as server,
            HostileServer(at_list(answer(b"{}", 401)), "127.0.0.2", server.port) as thief,
        ):
            done = fetch(server.port, "--pin", "1234-5678", host="car.test")
            assert done.code == 69
            assert ("does not get the pin" in done.err[-1]) == moves_at_once
            assert server.requested("POST /login") == int(not moves_at_once)
            assert len(thief.requests) == int(not moves_at_once)
            assert not any(b"1234" in request or b"pass=" in request for request in thief.requests)


HOSTILE_NAMES = [
    "../../evil.db",
    "/tmp/evil.db",  # noqa: S108
    "C:\\evil.db",
    "..\\evil.db",
    "CON.db",
    "evil\x1b[2J\x1b]0;x\x07.db",
    "evil\n stagelog: all is well.db",
    "evil\u202e.db",
    "evil\ud800.db",
    "evil\0.db",
    ".ssh.db",
    "n" * 300 + ".db",
    "n" * 190 + ".db",
    "",
    None,
    5,
    ["a.db"],
]


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
def test_a_name_that_is_not_allowed_here_is_reported_and_left_out(
    name: Any, fetch: Fetch, laptop: Path
) -> None:
    log = {**log_named(NAME), "name": name}
    with HostileServer(listing(lambda: [answer(b"x", 200, ETAG)], log)) as server:
        done = fetch(server.port)
        assert server.requested("GET") == 1
    assert done.code == 0
    assert len(done.err) == 1
    assert "left out" in done.err[0]
    assert list(laptop.iterdir()) == []
    assert list(laptop.parent.iterdir()) == [laptop]


def test_bad_lists_with_a_valid_log_in_them(fetch: Fetch, laptop: Path, tmp_path: Path) -> None:
    """Duplicate names, names that differ by case, impossible states, escape sequences: the valid log arrives."""
    data = closed(tmp_path / "made" / NAME, 10).read_bytes()
    etag = f'ETag: "{hashlib.sha256(data).hexdigest()}"'
    logs = [
        *(log_named("../evil.db") for _ in range(1000)),
        log_named(NAME),
        log_named(NAME, rows=5),
        log_named("a.db", withheld="\x1b[31mno\nsuch"),
        log_named(NAME.upper(), rows=-1, identity="../../x", session=2**64, t_us="now"),
        {"name": "STAGE-1-001.db", "identity": "zz", "session": True, "t_us": None, "rows": {}},
    ]
    with HostileServer(listing(lambda: [answer(data, 200, etag)], *logs)) as server:
        done = fetch(server.port)
    assert done.code == 0, done
    assert (laptop / NAME).read_bytes() == data
    assert (laptop / "STAGE-1-001.db").read_bytes() == data
    assert {path.name for path in laptop.iterdir()} == {NAME, "STAGE-1-001.db"}
    assert "999 others" in "".join(done.err)
    assert "more than once: 1" in "".join(done.err)
    assert "\\x1b[31mno\\nsuch" in done.out


def test_a_list_of_the_maximum_length(fetch: Fetch) -> None:
    names = [{"name": f"{number}.db"} for number in range(30_000)]
    body = json.dumps({"logs": names}).encode()
    assert len(body) < MAX_BYTES
    with HostileServer(at_list(answer(body))) as server:
        done = fetch(server.port, "--name", "none*")
    assert done.code == 74
    assert "20,000 logs over 10,000" in done.err[0]
    assert len(done.err) == 2


def test_the_error_of_a_log_is_one_line(fetch: Fetch, laptop: Path) -> None:
    logs = [log_named(f"stage-{number}.db") for number in range(3)]
    error_body = json.dumps({"error": "no\x1b[2J such log\nstagelog: all is well"}).encode()
    with HostileServer(listing(lambda: [answer(error_body, 404)], *logs)) as server:
        done = fetch(server.port)
    assert done.code == 1
    assert len(done.out.splitlines()) == 3
    assert list(laptop.iterdir()) == []


GONE = answer(b"{}", 404)
VAIN: dict[str, Callable[[int], Pieces]] = {
    "an error, each time just within the silence": lambda _time: [0.25, GONE],
    "a copy that is being made, and then is not": lambda time: [answer(b"{}", 202) if time % 4 else GONE],
    "busy, and then no such log": lambda time: [answer(b"{}", 503) if time % 2 else GONE],
}


@pytest.mark.parametrize("what", VAIN)
def test_ten_thousand_logs_that_use_up_time_end_the_fetch(what: str, fetch: Fetch) -> None:
    times = count(1)
    logs = [log_named(f"{number}.db") for number in range(10_000)]
    with HostileServer(listing(lambda: VAIN[what](next(times)), *logs)) as server:
        done = fetch(server.port)
        assert server.requested("GET") < 100
    assert done.code == 69, done
    assert "almost nothing" in done.err[-1] or "out of reach" in done.err[-1]


WORTHLESS: dict[str, Callable[[bytes], Pieces]] = {
    "a digest that does not match": lambda data: [answer(data, 200, ETAG)],
    "a log that is none": lambda data: [answer(data, 200, f'ETag: "{hashlib.sha256(data).hexdigest()}"')],
}


@pytest.mark.parametrize("what", WORTHLESS)
def test_ten_thousand_worthless_logs_end_the_fetch(what: str, fetch: Fetch, laptop: Path) -> None:
    """They arrive much faster than the minimum rate, so the patience never ends."""
    logs = [log_named(f"{number}.db") for number in range(10_000)]
    body = list_of(*logs)

    def behave(requested: str, _request: bytes) -> Pieces:
        return [body] if requested == "GET /api/logs" else [0.1, *WORTHLESS[what](requested.encode() * 100)]

    with HostileServer(behave) as server:
        done = fetch(server.port)
        assert server.requested("GET") < 60
    assert done.code == 69, done
    assert "worthless" in done.err[-1]
    assert len(list(laptop.iterdir())) < 30


def test_logs_that_arrive_slowly_do_not_end_the_fetch(fetch: Fetch, laptop: Path, tmp_path: Path) -> None:
    """Each takes a third of the time in which nothing may arrive; what arrives gives the time back."""
    data = closed(tmp_path / "made" / NAME, 10).read_bytes()
    etag = f'ETag: "{hashlib.sha256(data).hexdigest()}"'
    logs = [log_named(f"{number}.db") for number in range(5)]
    with HostileServer(listing(lambda: [0.22, answer(data, 200, etag)], *logs)) as server:
        done = fetch(server.port)
    assert done.code == 0, done
    assert {path.read_bytes() for path in laptop.iterdir()} == {data}
    assert len(list(laptop.iterdir())) == len(logs)


def test_the_time_in_which_a_log_is_verified_is_not_the_cars() -> None:
    retry = Retry(0.0, print, "http://car", 0.1)
    assert retry.run(lambda: True)
    time.sleep(0.2)
    assert retry.run(lambda: True)


def test_a_link_in_place_of_a_part_is_not_followed(fetch: Fetch, laptop: Path) -> None:
    other = laptop.parent / "other"
    other.write_bytes(b"mine")
    (laptop / f"{NAME}.{SHA}.part").symlink_to(other)
    with HostileServer(listing(lambda: [answer(b"x" * 100, 200, ETAG)])) as server:
        done = fetch(server.port)
    assert done.code in (69, 74)
    assert other.read_bytes() == b"mine"
