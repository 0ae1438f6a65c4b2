"""Crew HTTP server: routes, listening socket, start and stop.

    Connection (limits)  ->  Guard (host, origin, pin, headers)  ->  routes  ->  Feed    ->  the recorder's socket
                                                                             ->  Copies  ->  the logs, for reading

One event loop, threads for file reads, child processes for long work, and no connection to a device. No failure here
affects the recorder.
"""

from __future__ import annotations

import asyncio
import os
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
from logger.crew.commands import command
from logger.crew.compliance import Compliance
from logger.crew.connections import Connection
from logger.crew.copies import Copies
from logger.crew.downloads import Downloads
from logger.crew.exports import Export
from logger.crew.feed import Feed
from logger.crew.guard import LOGIN, LOGIN_FILES, Guard
from logger.crew.listing import Listing
from logger.crew.pages import login, no_content, page
from logger.crew.pin import Gate
from logger.crew.reviews import Review
from logger.crew.streams import LiveStream, live

BACKLOG = 64
KEEP_ALIVE_S = 5
STOP_S = 2
"""How long a stopping server waits for answers in progress."""
MAX_HEADER_BYTES = 16 * 1024
CREW_FILES = (
    *LOGIN_FILES,
    "alarm.js",
    "channels.js",
    "choices.js",
    "commands.js",
    "crew.js",
    "driver.css",
    "health.js",
    "link.js",
    "navigator.css",
    "render.js",
    "sound.js",
    "strip.js",
    "units.js",
    "words.js",
)
LOGS_FILES = ("logs.css", "logs.js", "new_logs.js")
_MACHINE_ID = Path("/etc/machine-id")


def routes(feed: Feed, gate: Gate, copies: Copies) -> list[BaseRoute]:
    """All routes of the crew server."""
    downloads = Downloads(copies)
    return [
        Route("/", page("crew.html")),
        *(Route(f"/{name}", page(name)) for name in CREW_FILES),
        Route("/favicon.ico", no_content),
        Route(LOGIN, login(gate), methods=["GET", "POST"]),
        Route("/api/live", live),
        Route("/api/live/stream", LiveStream(feed)),
        Route("/api/command", command, methods=["POST"]),
        *(Route(f"/{name}", page(name)) for name in LOGS_FILES),
        Route("/logs", page("logs.html")),
        Route("/logs/{name}/review", Review(copies)),
        Route("/api/logs", Listing(copies, downloads).answer),
        Route("/api/logs/{name}", downloads),
        Route("/api/logs/{name}/delivered", downloads.delivered, methods=["POST"]),
        Route("/api/logs/{name}/export", Export(copies)),
    ]


def application(feed: Feed, gate: Gate, copies: Copies, host: str) -> ASGIApp:
    """The complete ASGI application."""
    app = Starlette(routes=routes(feed, gate, copies), exception_handlers={HTTPException: _error_response})
    app.state.feed = feed
    return Guard(app, gate, host)


async def serve(
    host: str, port: int, pin: str | None, live_socket: Path, copies: Copies, *, compliant: bool
) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises DeviceError if the address cannot be bound."""
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
        log_level="error",  # it warns of every malformed request, one line each
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
        background = [tasks.create_task(feed.run()), tasks.create_task(_notify_systemd())]
        await _Server(config, feed, copies).serve([listener])
        for task in background:
            task.cancel()


async def _notify_systemd() -> None:
    """Report ready once the address is bound and the event loop runs; then feed the watchdog from the loop."""
    notifier, watchdog = notify.from_environment()
    notifier.ready("serving the crew page")
    turns = 0
    while True:
        turns += 1
        if watchdog.is_due(time.monotonic_ns() // 1000, {"loop": turns}):
            notifier.alive()
        await asyncio.sleep(1.0)


class _Server(uvicorn.Server):
    """uvicorn server that closes live streams and copies in progress before it waits for connections to end."""

    def __init__(self, config: uvicorn.Config, feed: Feed, copies: Copies) -> None:
        super().__init__(config)
        self._feed, self._copies = feed, copies

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._feed.close()
        self._copies.close()
        await super().shutdown(sockets)


async def _error_response(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    return JSONResponse({"ok": False, "error": error.detail}, error.status_code, error.headers)


def _listen(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(
            address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=address[0] == "::"
        )
    except OSError as error:
        hint = "choose a free address of this machine with --host and --port, or under [serve]"
        if isinstance(error, PermissionError):
            hint = "only root serves on a port below 1024: choose another with --port, or under [serve]"
        is_resolver = isinstance(error, socket.gaierror)  # whose numbers are not those of the system
        reason = error.strerror if is_resolver or error.errno is None else os.strerror(error.errno)
        raise DeviceError(f"cannot serve there: {reason}", where=where, hint=hint) from error


def _address(host: str, listener: socket.socket) -> str:
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    name = f"[{name}]" if ":" in name and not name.startswith("[") else name
    return f"http://{name}:{listener.getsockname()[1]}/"


def _salt() -> bytes:
    """Salt that makes the token key specific to this machine."""
    try:
        return b"stagelog " + _MACHINE_ID.read_bytes()
    except OSError:
        return b"stagelog"
