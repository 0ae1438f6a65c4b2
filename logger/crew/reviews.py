"""`GET /logs/NAME/review`: the review of a log as a single HTML page, made in a child process.

Reviews are made one at a time and cached by the SHA-256 of the log and the software's version: after an update a page
is made again.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from logger.crew.child import Child
from logger.crew.connections import run_until_disconnect
from logger.crew.copies import Copies, Copy
from logger.crew.downloads import available_log, make_copy
from logger.version import VERSION

MAX_REVIEWS = 4
"""Running and waiting together."""
TIMEOUT_S = 600.0
"""A day's log takes a Pi well under a minute."""
MAX_KEPT = 8
"""A few days' logs; each page has some hundred kilobytes."""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
)
"""A review contains its script inline, so the browser must give it no access to this site: no cookie, no request."""


class Review:
    """The endpoint, as an ASGI application: it stops when its client disconnects."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._running = 0
        self._lock = asyncio.Lock()
        self._kept = copies.state / "reviews"
        self._kept.mkdir(mode=0o750, exist_ok=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        if request.method != "GET":
            raise HTTPException(405, "use GET for a review", {"allow": "GET"})
        name = available_log(self._copies, request)
        if self._running >= MAX_REVIEWS:
            raise HTTPException(503, "too many reviews at once", {"retry-after": "10"})
        self._running += 1
        try:
            page = await run_until_disconnect(receive, self._review(request, name))
        finally:
            self._running -= 1
        if page is not None:
            headers = {"content-security-policy": POLICY, "cache-control": "no-cache"}
            answer: Response = HTMLResponse(page, headers=headers)
            await answer(scope, receive, send)

    async def _review(self, request: Request, name: str) -> bytes:
        copy = await make_copy(self._copies, request, name)
        key = hashlib.sha256(f"{copy.sha256} {VERSION}".encode()).hexdigest()
        kept = self._kept / f"{key}.html"
        async with self._lock:
            if not kept.exists():
                with self._copies.use(copy):
                    await self._make_review(copy, kept)
        return await asyncio.to_thread(kept.read_bytes)

    async def _make_review(self, copy: Copy, kept: Path) -> None:
        part = kept.with_suffix(".part")
        async with asyncio.timeout(TIMEOUT_S), Child("review", str(copy.path), "--html", str(part)) as child:
            while await child.read():
                pass
            # A review with findings fails but writes the page, which contains them. Without a page it is an error.
            if await child.wait() and not part.exists():
                raise HTTPException(409, child.last_line())
        part.replace(kept)
        for old in sorted(self._kept.glob("*.html"), key=lambda page: page.stat().st_mtime)[:-MAX_KEPT]:
            old.unlink(missing_ok=True)
