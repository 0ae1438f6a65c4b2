"""The crew server: put together, bound, run and stopped here.

    Connection (patience)  ->  Guard (host, origin, pin, headers)  ->  routes  ->  Feed    ->  the recorder's socket
                                                                               ->  Copies  ->  the logs, for reading

One event loop, threads for what reads files, processes for what takes long, and no line to a device. Whatever
happens to it, the recorder does not notice.
"""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from firmware_bridge.errors import DeviceError
from logger.boundary import notify
from logger.boundary.terminal import echo
from logger.config.configuration import is_loopback
from logger.crew import logs
from logger.crew.commands import command
from logger.crew.compliance import Compliance
from logger.crew.connections import Connection
from logger.crew.copies import Copies
from logger.crew.feed import Feed
from logger.crew.guard import LOGIN, Guard
from logger.crew.pages import login, nothing, page
from logger.crew.pin import Gate
from logger.crew.streams import LiveStream, live

BACKLOG = 64
KEEP_ALIVE_S = 5
STOP_S = 2
"""What is still being sent when the server stops has so long."""
MAX_HEADER_BYTES = 16 * 1024
CREW_FILES = ("crew.css", "crew.js", "link.js", "render.js", "sound.js", "words.js")
_MACHINE_ID = Path("/etc/machine-id")


def routes(feed: Feed, gate: Gate, copies: Copies) -> list[BaseRoute]:
    """Everything the crew server answers."""
    return [
        Route("/", page("crew.html")),
        *(Route(f"/{name}", page(name)) for name in CREW_FILES),
        Route("/favicon.ico", nothing),
        Route(LOGIN, login(gate), methods=["GET", "POST"]),
        Route("/api/live", live),
        Route("/api/live/stream", LiveStream(feed)),
        Route("/api/command", command, methods=["POST"]),
        *logs.routes(copies),
    ]


def application(feed: Feed, gate: Gate, copies: Copies, host: str) -> ASGIApp:
    """The whole as one ASGI application."""
    app = Starlette(routes=routes(feed, gate, copies), exception_handlers={HTTPException: _told})
    app.state.feed = feed
    return Guard(app, gate, host)


async def serve(
    host: str, port: int, pin: str | None, live_socket: Path, copies: Copies, *, compliant: bool
) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises DeviceError if the address cannot be had."""
    listener = _listen(host, port)
    loop = asyncio.get_running_loop()
    feed = Feed(live_socket, Compliance(applies=compliant))
    gate = Gate(None if is_loopback(host) else pin, _salt(), loop.time)
    config = uvicorn.Config(
        application(feed, gate, copies, host),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # its warnings are of strangers' damaged requests, a line for each
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
    )
    echo(f"crew page at {_address(host, listener)}", err=True)
    async with asyncio.TaskGroup() as tasks:
        following = [tasks.create_task(feed.run()), tasks.create_task(_tell_systemd())]
        await _Server(config, feed, copies).serve([listener])
        for task in following:
            task.cancel()


async def _tell_systemd() -> None:
    """Ready as soon as the address is had and the loop turns; alive as long as it does."""
    notifier, watchdog = notify.from_environment()
    notifier.ready("serving the crew page")
    turns = 0
    while True:
        turns += 1
        if watchdog.is_due(time.monotonic_ns() // 1000, {"loop": turns}):
            notifier.alive()
        await asyncio.sleep(1.0)


class _Server(uvicorn.Server):
    """uvicorn, letting go of the pages that watch, and of copies being made, before it waits for them."""

    def __init__(self, config: uvicorn.Config, feed: Feed, copies: Copies) -> None:
        super().__init__(config)
        self._feed, self._copies = feed, copies

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._feed.close()
        self._copies.close()
        await super().shutdown(sockets)


async def _told(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    return JSONResponse({"ok": False, "error": error.detail}, error.status_code, error.headers)


def _listen(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(
            address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=address[0] == "::"
        )
    except OSError as error:
        hint = "set host and port under [serve] to an address of this machine that is free"
        raise DeviceError(f"cannot serve there: {error.strerror}", where=where, hint=hint) from error


def _address(host: str, listener: socket.socket) -> str:
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return f"http://{name}:{listener.getsockname()[1]}/"


def _salt() -> bytes:
    """Ties the key of the tokens to this machine."""
    try:
        return b"stagelog " + _MACHINE_ID.read_bytes()
    except OSError:
        return b"stagelog"
