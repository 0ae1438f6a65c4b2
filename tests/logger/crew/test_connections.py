"""Connection timeouts and limits: slow headers, long headers, clients that read nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from logger.crew import connections
from logger.crew.connections import Connection

CHUNK = b"x" * 65_536
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
Body = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def endless(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Send an endless response; the application notices a disconnect when its send returns."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(4000):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def brief(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def connected(app: Callable[..., Awaitable[None]], body: Body, sent: bytes = b"") -> None:
    """Run `body` with one connection to a server of `app`, which finds the bytes `sent` when it accepts it."""
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", log_config=None)
    config.h11_max_incomplete_event_size = 16_384
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    line = socket.create_connection(server.sockets[0].getsockname())
    line.sendall(sent)
    reader, writer = await asyncio.open_connection(sock=line)
    try:
        async with asyncio.timeout(60):
            while not state.connections:
                await asyncio.sleep(0)
            await body(reader, writer)
            while state.connections:
                await asyncio.sleep(0.01)
    finally:
        writer.transport.abort()
        server.close()
        await asyncio.gather(*state.tasks)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send headers line by line until the connection is closed."""
    writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    with pytest.raises(ConnectionError):
        while True:
            writer.write(b"x: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)


def test_endless_headers_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_TIMEOUT_S", 0.2)
    asyncio.run(connected(brief, drip))


def test_endless_headers_of_a_second_request_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_TIMEOUT_S", 0.2)

    async def body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"ok")
        await drip(reader, writer)

    asyncio.run(connected(brief, body, REQUEST))


def test_a_silent_client_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_TIMEOUT_S", 0.2)

    async def body(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)

    asyncio.run(connected(brief, body))


def test_an_answer_may_take_longer_than_the_header_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_TIMEOUT_S", 0.1)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.4)
        await brief(scope, receive, send)

    async def body(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")

    asyncio.run(connected(slow, body, REQUEST))


def test_the_body_of_a_pipelined_request_may_arrive_later() -> None:
    async def echo(_scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        length = str(len(body)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": body})

    async def body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\n"
        writer.write(head + b"1234" + head + b"56")
        await reader.readuntil(b"1234")
        writer.write(b"78")
        await reader.readuntil(b"5678")
        writer.close()

    asyncio.run(connected(echo, body))


def test_long_headers_are_refused() -> None:
    async def body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nx: " + b"y" * 30_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 4")

    asyncio.run(connected(brief, body))


def test_a_client_that_reads_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "STALL_TIMEOUT_S", 0.2)

    async def body(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        """The response is never read."""

    asyncio.run(connected(endless, body, REQUEST))
