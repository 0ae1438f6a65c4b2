"""Attacks on the crew server by a client on the car's Wi-Fi that sends raw bytes.

A real `stagelog serve` on every address. The attacker has no pin or, where that is worse, a token. Many attackers are
many addresses of the loopback network. After each attack the crew still gets its page.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from logger.crew import connections, exports, pin
from tests.figures import Figures
from tests.logger.crew.serving import EVERYWHERE, PIN, Served, serving
from tests.logger.crew.test_server import login, until
from tests.logger.transfer.logs_made import closed

LOG = "stage-1-001.db"
SECRET = b"the-team's-secret"
CREW, ATTACKER = "127.0.0.1", "127.0.0.66"
MAY_GROW_KB = 12_000
"""What the server's memory may grow by under any attack here; the attacks themselves are far larger."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log directory with a log, and secrets in and around it."""
    folder = tmp_path_factory.mktemp("car")
    logs = folder / "logs"
    closed(logs / LOG)
    (folder / "secret.db").write_bytes(SECRET)
    (logs / "inside").mkdir()
    (logs / "inside" / "deep.db").write_bytes(SECRET)
    (logs / "link.db").symlink_to(folder / "secret.db")
    (logs / "passwd.db").symlink_to("/etc/passwd")
    (logs / "up.db").symlink_to("..")
    (logs / "dangling.db").symlink_to("nowhere")
    return folder


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[Served]:
    with serving(place, place / "live.sock", host=EVERYWHERE, pin=PIN) as server:
        yield server
        output = server.output.read_text()
        assert "Traceback" not in output, output
        assert PIN not in output


@pytest.fixture(scope="module")
def cookie(served: Served) -> str:
    """The session cookie of a crew member."""
    return login(served, PIN).headers["set-cookie"].partition(";")[0]


@pytest.fixture(autouse=True)
def crew_is_served(served: Served, cookie: str) -> Iterator[None]:
    """After the body the crew gets its page, and the server uses no more memory than before."""
    before = served.resident_kb
    yield
    until(lambda: crew_sees(served, cookie), 60.0)
    grown = served.resident_kb - before
    assert grown < MAY_GROW_KB, f"{grown} kB more"


def crew_sees(served: Served, cookie: str) -> bool:
    try:
        return served.ask("/", headers={"cookie": cookie}).status == 200
    except OSError:
        return False


def open_files(served: Served) -> int:
    return sum(1 for _ in Path(f"/proc/{served.process.pid}/fd").iterdir())


def dial(served: Served, address: str = ATTACKER) -> socket.socket:
    """Connect from one of the attacker's addresses."""
    return socket.create_connection(("127.0.0.1", served.port), timeout=60, source_address=(address, 0))


def raw(served: Served, data: bytes, address: str = ATTACKER) -> bytes:
    """Send exactly these bytes; return the response until the server closes the connection or goes silent."""
    with dial(served, address) as connection:
        connection.settimeout(60)
        answer = b""
        with suppress(ConnectionError):
            connection.sendall(data)
        with suppress(ConnectionError, TimeoutError):
            while piece := connection.recv(65_536):
                answer += piece
        return answer


def request(line: str | bytes, *headers: str, body: bytes = b"") -> bytes:
    """A request as bytes, with `connection: close`."""
    line = line.encode("latin-1") if isinstance(line, str) else line
    lines = [line, b"Host: 127.0.0.1", b"Connection: close", *(header.encode() for header in headers)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def status(answer: bytes) -> int:
    """The status of a response; 0 if the server closed the connection without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


# -- files ----------------------------------------------------------------------------------------------------

UP = ("..", "%2e%2e", "%2E.", "..%00", "%252e%252e", "%c0%ae%c0%ae", "....", ".%2e;", "..\\", "%uff0e%uff0e")
SLASH = ("/", "%2f", "%5c", "\\", "%252f", "%c0%af", "//", "/./")
WAYS_OUT = [f"{up}{slash}secret.db" for up in UP for slash in SLASH] + [
    "link.db", "passwd.db", "up.db", "dangling.db", "up.db/secret.db", "up.db%2fsecret.db", "inside/deep.db",
    "inside%2fdeep.db", "/etc/passwd", "%2fetc%2fpasswd", "file:///etc/passwd", f"{LOG}/../../secret.db",
    f"{LOG}%00.db", f"{LOG}%0d%0aX-Evil:%201", ".", "..", "%", "%%", "*", f"{LOG}-wal", "../stagelog.toml",
    "..%2fstagelog.toml", "~root", "$HOME", "|id", "a" * 5000, "%f0%9f%8f%8d" * 500,
]  # fmt: skip


@pytest.mark.parametrize(
    "route",
    ["/api/logs/{}", "/api/logs/{}/export?format=csv", "/logs/{}/review", "/{}", "/static/{}", "/logs/{}"],
)
def test_no_url_reaches_a_file_outside_the_log_directory(served: Served, cookie: str, route: str) -> None:
    """With a token, and with the URL on the wire exactly as given here."""
    for way in WAYS_OUT:
        answer = raw(served, request(f"GET {route.format(way)} HTTP/1.1", f"Cookie: {cookie}"))
        assert SECRET not in answer, way
        assert b"root:" not in answer, way
        assert PIN.encode() not in answer, way
        assert b"x-evil" not in answer.lower(), way
        assert status(answer) in (0, 400, 404, 405), (way, answer[:200])


@pytest.mark.parametrize("name", ["link.db", "passwd.db", "up.db", "dangling.db"])
def test_symbolic_links_are_not_served(served: Served, cookie: str, name: str) -> None:
    there = served.ask("/api/logs", headers={"cookie": cookie}).json["logs"]
    assert [log["name"] for log in there] == [LOG]
    for route in (f"/api/logs/{name}", f"/api/logs/{name}/export?format=csv", f"/logs/{name}/review"):
        assert served.ask(route, headers={"cookie": cookie}).status == 404


def test_without_the_pin_even_log_names_are_hidden(served: Served) -> None:
    for route in ("/api/logs", f"/api/logs/{LOG}", "/api/live", "/api/live/stream", "/logs", "/crew.js"):
        for line in (
            f"GET {route} HTTP/1.1",
            f"GET http://127.0.0.1{route} HTTP/1.1",
            f"HEAD {route} HTTP/1.1",
        ):
            for trick in (
                "X-Forwarded-For: 127.0.0.1",
                "X-Original-URL: /login",
                "Cookie: stagelog=.",
                "A: b",
            ):
                answer = raw(served, request(line, trick))
                assert status(answer) in (303, 401), (line, trick)
                assert LOG.encode() not in answer
    for line in (
        "GET /login/../api/logs HTTP/1.1",
        "GET /login%2f..%2fapi%2flogs HTTP/1.1",
        "GET //login HTTP/1.1",
    ):
        assert status(raw(served, request(line))) in (303, 401, 404), line


# -- sizes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 5_000_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        request("GET /login HTTP/1.1", "X: " + "y" * 5_000_000),
        request("GET /login HTTP/1.1", *(f"X-{number}: y" for number in range(50_000))),
        request("GET /login HTTP/1.1", "Cookie: " + "; ".join(f"stagelog={n}" for n in range(100_000))),
        b"\r\n" * 1_000_000,
        b"A" * 5_000_000,
    ],
    ids=["address", "header", "headers", "cookies", "empty lines", "no line"],
)
def test_oversized_requests_are_refused_without_using_memory(served: Served, data: bytes) -> None:
    before = served.resident_kb
    answers = [raw(served, data) for _ in range(3)]
    assert {status(answer) for answer in answers} <= {0, 400, 414, 431}
    assert served.resident_kb - before < MAY_GROW_KB


@pytest.mark.parametrize(
    "line",
    [
        "POST /login",
        "POST /api/command",
        f"POST /api/logs/{LOG}/delivered",
        "GET /login",
        "GET /",
        "GET /api/logs",
    ],
)
@pytest.mark.parametrize("framing", ["Content-Length: 10000000000", "Transfer-Encoding: chunked"])
def test_an_endless_body_is_refused(served: Served, cookie: str, line: str, framing: str) -> None:
    """Also by a page that needs no body and has already answered."""
    head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\nContent-Type: application/json\r\n{framing}"
    piece = b"x" * 65_536
    piece = b"10000\r\n" + piece + b"\r\n" if "chunked" in framing else piece
    taken = 0
    with dial(served) as connection, suppress(ConnectionError, TimeoutError):
        connection.sendall(head.encode() + b"\r\n\r\n")
        connection.settimeout(5)
        while taken < 100_000_000:
            connection.sendall(piece)
            taken += len(piece)
    assert taken < 30_000_000, "disconnected early: the rest was in the kernel's buffers"


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: -1",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: \x0bchunked",),
        ("Content-Length: 0x5",),
        ("Content-Length: 99999999999999999999999999",),
    ],
)
def test_request_smuggling_is_refused(served: Served, cookie: str, lines: tuple[str, ...]) -> None:
    """A request whose body's end is ambiguous ends its connection, so that no proxy reads it differently."""
    hidden = b"0\r\n\r\nGET /api/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: " + cookie.encode() + b"\r\n\r\n"
    answer = raw(
        served,
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + hidden,
    )
    assert LOG.encode() not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1


def test_many_ranges_get_one_answer(served: Served, cookie: str) -> None:
    whole = len(served.ask(f"/api/logs/{LOG}", headers={"cookie": cookie}).body)
    ranges = "bytes=" + ",".join(f"{number}-" for number in range(1000))
    answer = raw(served, request(f"GET /api/logs/{LOG} HTTP/1.1", f"Cookie: {cookie}", f"Range: {ranges}"))
    assert len(answer) < whole + 2000


# -- slow and many connections --------------------------------------------------------------------------------


def hung_up(connection: socket.socket, within_s: float) -> bool:
    connection.settimeout(within_s)
    try:
        while connection.recv(4096):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def test_slow_clients_are_disconnected_and_one_address_cannot_take_every_connection(
    served: Served, cookie: str
) -> None:
    """Slowloris: a header line now and then, on as many connections as the server accepts."""
    with ExitStack() as stack:
        slow = [stack.enter_context(dial(served)) for _ in range(200)]
        for connection in slow:
            with suppress(ConnectionError):
                connection.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        assert crew_sees(served, cookie), "while the attackers hold their connections"
        ends = time.monotonic() + connections.HEADERS_TIMEOUT_S + 10.0
        left = slow
        while left and time.monotonic() < ends:
            for connection in left:
                with suppress(ConnectionError):
                    connection.sendall(b"X: y\r\n")
            left = [connection for connection in left if not hung_up(connection, 0.001)]
            time.sleep(0.5)
        assert not left, "no attacker's connection is left"


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost:",
        b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n",
    ],
    ids=["nothing", "headers", "answered", "answered, body", "body"],
)
def test_strangers_from_many_addresses_leave_room_for_the_crew(
    served: Served, cookie: str, beginning: bytes
) -> None:
    """More connections than the server accepts in total, in any state; the crew's stream continues."""
    with ExitStack() as held:
        stream = held.enter_context(dial(served, CREW))
        stream.sendall(request("GET /api/live/stream HTTP/1.1", f"Cookie: {cookie}"))
        assert stream.recv(65_536)
        for number in range(2 * connections.MAX_CONNECTIONS):
            with suppress(ConnectionError):
                line = held.enter_context(dial(served, f"127.0.1.{1 + number // 30}"))
                line.sendall(beginning)
                line.sendall(b"x" * bool(beginning))
        for _ in range(5):
            assert status(raw(served, request("GET / HTTP/1.1", f"Cookie: {cookie}"), CREW)) == 200
            assert status(raw(served, request("GET /login HTTP/1.1"), "127.0.0.2")) == 200, (
                "a user who wants to log in"
            )
        assert not hung_up(stream, 0.01)
        stream.settimeout(60)
        assert stream.recv(65_536), "the stream gets data every second"


def test_addresses_with_most_connections_lose_theirs_first(served: Served) -> None:
    """Many newer connections of strangers do not close the connection of a user who is typing the pin."""
    with ExitStack() as held:
        typing = held.enter_context(dial(served, CREW))
        typing.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        for number in range(2 * connections.MAX_CONNECTIONS):
            held.enter_context(dial(served, f"127.0.1.{1 + number // 30}"))
        typing.sendall(b"Connection: close\r\n\r\n")
        assert typing.recv(65_536).startswith(b"HTTP/1.1 200")


def test_short_connections_leave_no_open_files(served: Served) -> None:
    files = open_files(served)
    for _ in range(1500):
        with suppress(OSError), dial(served) as connection:
            connection.sendall(b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"[: random.randrange(50)])
    until(lambda: open_files(served) <= files + 2, 60.0)


def test_a_thousand_pipelined_requests_are_answered_in_order(served: Served) -> None:
    one = b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = raw(served, one * 999 + request("GET /login HTTP/1.1"))
    assert answer.count(b"HTTP/1.1 200") == 1000


def test_exports_are_limited_and_end_with_their_clients(served: Served, cookie: str) -> None:
    export = request(f"GET /api/logs/{LOG}/export?format=csv HTTP/1.1", f"Cookie: {cookie}")
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children")
    with ExitStack() as stack:
        greedy = [stack.enter_context(dial(served)) for _ in range(20)]
        most = 0
        for connection in greedy:
            connection.sendall(export)
            most = max(most, len(children.read_text().split()))
        assert crew_sees(served, cookie)
        most = max(most, len(children.read_text().split()))
        assert most <= exports.MAX_EXPORTS
    until(lambda: not children.read_text().split(), 60.0)


# -- guessing -------------------------------------------------------------------------------------------------


def test_parallel_guesses_from_many_addresses_are_limited(
    place: Path, tmp_path: Path, figures: Figures
) -> None:
    """Eight threads, one address each, login and bearer, forged headers: together they have a few guesses."""
    with serving(tmp_path, tmp_path / "live.sock", host=EVERYWHERE, pin=PIN) as server:
        token = login(server, PIN).headers["set-cookie"].partition(";")[0]
        statuses: list[int] = []

        def guess(number: int) -> None:
            for n in range(40):
                forged = f"X-Forwarded-For: 10.0.{number}.{n}"
                body = b"pin=%04d" % (number * 40 + n)
                as_form = request("POST /login HTTP/1.1", forged, f"Content-Length: {len(body)}", body=body)
                as_token = request(
                    "GET /api/live HTTP/1.1", forged, f"Authorization: Bearer {number:02}{n:02}"
                )
                statuses.append(status(raw(server, (as_form, as_token)[n % 2], f"127.0.1.{number + 1}")))

        threads = [threading.Thread(target=guess, args=(number,)) for number in range(8)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        earned = (time.monotonic() - began) / pin.SHARED_EVERY_S
        looked_at = sum(code in (303, 200, 401) for code in statuses)
        figures.note(
            f"attacker: {len(statuses)} guesses from 8 addresses, {looked_at} checked, the rest delayed"
        )
        assert looked_at <= pin.SHARED_GUESSES + 8 * pin.FIRST_GUESSES + earned + 1
        assert statuses.count(429) == len(statuses) - looked_at
        assert crew_sees(server, token), "a logged-in user stays logged in"
        bearer = f"Authorization: Bearer {PIN}"
        for address in (CREW, "127.0.0.2", "127.0.0.3"):
            assert status(raw(server, request("GET / HTTP/1.1", bearer), address)) == 200, (
                "and who knows the pin gets in"
            )
        lines = [line for line in server.output.read_text().splitlines() if "pin guesses" in line]
        assert 1 <= len(lines) <= 1 + (time.monotonic() - began) / pin.LOG_EVERY_S


# -- other sites ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ["/login", "/api/command", f"/api/logs/{LOG}/delivered"])
@pytest.mark.parametrize(
    "header",
    [
        "Origin: http://evil.example", "Origin: null", "Origin: http://127.0.0.1.evil.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site", "Origin: http://127.0.0.1@evil.example", "Origin: https://127.0.0.1:1", "Origin:",
    ],
)  # fmt: skip
def test_a_post_from_another_site_is_refused(served: Served, cookie: str, route: str, header: str) -> None:
    """Even with the crew's cookie."""
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        body = b'{"command": "mark"}'
        sent = (f"Cookie: {cookie}", header, f"Content-Type: {kind}", f"Content-Length: {len(body)}")
        assert status(raw(served, request(f"POST {route} HTTP/1.1", *sent, body=body))) == 403


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:127.0.0.1", "a@127.0.0.1", "127.0.0.1/x", ""],
)
def test_a_foreign_host_name_is_refused(served: Served, cookie: str, host: str) -> None:
    data = f"GET /api/logs HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n".encode()
    assert status(raw(served, data)) in (400, 421)


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"]
)
def test_other_methods_are_refused(served: Served, cookie: str, method: str) -> None:
    for route in ("/", "/api/command", f"/api/logs/{LOG}"):
        answer = raw(served, request(f"{method} {route} HTTP/1.1", f"Cookie: {cookie}"))
        assert status(answer) in (0, 400, 404, 405), (method, route, answer[:100])
        assert b"access-control-allow" not in answer.lower()


# -- garbage --------------------------------------------------------------------------------------------------

GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # a TLS hello
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /\r\n\r\n",
    b"\x00" * 1000,
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
]


@pytest.mark.parametrize("data", GARBAGE, ids=range(len(GARBAGE)))
def test_other_protocols_are_refused(served: Served, data: bytes) -> None:
    with dial(served) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(60)
        answer = b""
        with suppress(ConnectionError):
            while piece := connection.recv(65_536):
                answer += piece
    assert status(answer) in (0, 303, 400, 421, 505)


NOISE = [
    b"\x00\r\n\r\n",
    b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    *(
        f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        for line in ("GET /login", "POST /login", "GET /", "GET /api/live")
    ),
]


@pytest.mark.parametrize("data", NOISE, ids=range(len(NOISE)))
@pytest.mark.parametrize("wait_s", [0.0, 0.1], ids=["before the answer", "after it"])
def test_damaged_requests_are_not_logged(served: Served, data: bytes, wait_s: float) -> None:
    """Otherwise thousands per second would rotate the recorder's own lines out of the journal."""
    before = served.output.read_text()
    for _ in range(3):
        with dial(served) as connection, suppress(OSError):
            connection.sendall(data if wait_s else data + b"no chunk\r\n")
            time.sleep(wait_s)
            connection.sendall(b"no chunk\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
    assert served.output.read_text() == before


def test_damaged_requests_never_cause_a_server_error(served: Served, cookie: str, figures: Figures) -> None:
    """Requests with bytes changed, removed and inserted: refused or disconnected, never a 500."""
    chance = random.Random(5)
    good = [
        request(f"GET /api/logs/{LOG} HTTP/1.1", f"Cookie: {cookie}", "Range: bytes=0-10", 'If-Match: "x"'),
        request(f"GET /api/logs/{LOG}/export?format=gpx HTTP/1.1", f"Cookie: {cookie}"),
        request("POST /api/command HTTP/1.1", f"Cookie: {cookie}", "Content-Type: application/json",
                "Content-Length: 19", body=b'{"command": "mark"}'),
        request("POST /login HTTP/1.1", "Origin: http://127.0.0.1", "Content-Length: 8", body=b"pin=1234"),
        request("GET /api/live HTTP/1.1", "Authorization: Bearer 1234"),
    ]  # fmt: skip
    tried = 400
    for _ in range(tried):
        data = bytearray(chance.choice(good))
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(2)] = chance.randbytes(chance.randrange(3))
        with dial(served) as connection, suppress(ConnectionError):
            connection.sendall(bytes(data))
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65_536):
                answer += piece
            assert status(answer) != 500, bytes(data)
    figures.note(f"attacker: {tried} damaged requests, none caused a server error")
