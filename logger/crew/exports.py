"""`GET /api/logs/NAME/export?format=`: export a log in another format, in a child process.

The process reads a version of the log that does not change. It is killed when its client disconnects, stops reading,
or after an hour. Its output is streamed in chunks; if it fails in the middle the connection is aborted, so that the
client does not take the partial file for complete.
"""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from logger.boundary.extras import is_installed
from logger.crew.child import Child
from logger.crew.connections import run_until_disconnect
from logger.crew.copies import Copies
from logger.crew.downloads import available_log, disposition, make_copy
from logger.export.formats import FORMATS

MAX_EXPORTS = 2
"""Concurrent exports: each is a process of a hundred megabytes on a Pi."""
TIMEOUT_S = 3600.0
"""A day's log takes minutes."""
_NOT_OFFERED = "openrally"
"""It contains only the itinerary, which its author already has."""
CONTENTS = ("frames", "signals", "events")


def formats() -> list[str]:
    """The formats available here: all need numpy, and some another optional library."""
    return [
        name
        for name, known in FORMATS.items()
        if name != _NOT_OFFERED and all(map(is_installed, ("numpy", *known.libraries)))
    ]


class Export:
    """The endpoint, as an ASGI application: it sends chunks as the client reads them."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        if request.method != "GET":
            raise HTTPException(405, "use GET for an export", {"allow": "GET"})
        name = available_log(self._copies, request)
        query = request.query_params
        format_name, content = query.get("format", ""), query.get("content", "")
        if format_name not in formats():
            raise HTTPException(400, f"format is one of {', '.join(formats())}")
        if content not in ("", *CONTENTS):
            raise HTTPException(400, f"content is {' or '.join(CONTENTS)}, or absent")
        if self._running >= MAX_EXPORTS:
            raise HTTPException(503, "too many exports at once", {"retry-after": "10"})
        stem = name.removesuffix(".db") + (f"-{content}" if content else "")
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": disposition(stem + FORMATS[format_name].suffix),
            "cache-control": "no-store",
        }
        self._running += 1
        try:
            await run_until_disconnect(
                receive, self._export(request, name, format_name, content, headers, send)
            )
        finally:
            self._running -= 1

    async def _export(
        self, request: Request, name: str, format_name: str, content: str, headers: dict[str, str], send: Send
    ) -> None:
        copy = await make_copy(self._copies, request, name)
        options = ["--format", format_name, *([f"--{content}"] if content else [])]
        with self._copies.use(copy):
            async with asyncio.timeout(TIMEOUT_S), Child("export", str(copy.path), *options) as child:
                chunk = await child.read()
                if not chunk and await child.wait():
                    raise HTTPException(409, child.last_line())
                pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
                await send({"type": "http.response.start", "status": 200, "headers": pairs})
                while chunk:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    chunk = await child.read()
                if await child.wait():
                    request.scope["state"]["connection"].abort()
                    return
                await send({"type": "http.response.body", "body": b"", "more_body": False})
