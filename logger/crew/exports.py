"""`GET /api/logs/NAME/export?format=`: a log in another format, written by a process of its own.

It reads a version of the log that does not change, and is killed when its client goes away, takes nothing more, or
after an hour. What it writes is passed on a piece at a time; when it fails in the middle the connection is cut, so
that nobody takes the half for the whole.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from logger.crew.child import Child
from logger.crew.copies import Copies
from logger.crew.disconnect import until_gone
from logger.crew.downloads import disposition, listed, made
from logger.export.formats import FORMATS

MOST_EXPORTS = 2
"""At once: each is a process of a hundred megabytes on a Pi."""
MOST_S = 3600.0
"""A day's log takes minutes."""
_NEEDS = {"parquet": "pyarrow", "mf4": "asammdf"}
_AT_HOME = "openrally"
"""Not offered: it is the itinerary alone, which whoever wrote it has."""
CONTENTS = ("frames", "signals")


def formats() -> list[str]:
    """The formats that can be written here: some need a library that is an extra."""
    return [name for name in FORMATS if name != _AT_HOME and (name not in _NEEDS or find_spec(_NEEDS[name]))]


class Export:
    """The endpoint, as an ASGI application of its own: pieces are passed on as the client takes them."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        request = Request(scope, receive)
        if request.method != "GET":
            raise HTTPException(405, "an export is fetched with GET", {"allow": "GET"})
        name = listed(self._copies, request)
        query = request.query_params
        format_name, content = query.get("format", ""), query.get("content", "")
        if format_name not in formats():
            raise HTTPException(400, f"format is one of {', '.join(formats())}")
        if content not in ("", *CONTENTS):
            raise HTTPException(400, f"content is {' or '.join(CONTENTS)}, or left out")
        if self._running >= MOST_EXPORTS:
            raise HTTPException(503, "too many exports at once", {"retry-after": "10"})
        stem = name.removesuffix(".db") + (f"-{content}" if content else "")
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": disposition(stem + FORMATS[format_name].suffix),
            "cache-control": "no-store",
        }
        self._running += 1
        try:
            await until_gone(receive, self._export(request, name, format_name, content, headers, send))
        finally:
            self._running -= 1

    async def _export(
        self, request: Request, name: str, format_name: str, content: str, headers: dict[str, str], send: Send
    ) -> None:
        copy = await made(self._copies, request, name)
        options = ["--format", format_name, *([f"--{content}"] if content else [])]
        with self._copies.use(copy):
            async with asyncio.timeout(MOST_S), Child("export", str(copy.path), *options) as child:
                piece = await child.read()
                if not piece and await child.wait():
                    raise HTTPException(409, child.said())
                pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
                await send({"type": "http.response.start", "status": 200, "headers": pairs})
                while piece:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    piece = await child.read()
                if await child.wait():
                    request.scope["state"]["line"].cut()
                    return
                await send({"type": "http.response.body", "body": b"", "more_body": False})
