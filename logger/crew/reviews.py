"""`GET /logs/NAME/review`: the review of a log as the one page that it is, made by a process of its own.

One is made at a time, and kept by the version of the log that it is of: who asks again has it at once.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from logger.crew.child import Child
from logger.crew.copies import Copies, Copy
from logger.crew.disconnect import until_gone
from logger.crew.downloads import listed, made

MOST_REVIEWS = 4
"""Being made and waiting for it."""
MOST_S = 600.0
"""A day's log takes a Pi well under a minute."""
MOST_KEPT = 8
"""A few days' logs; each page has some hundred kilobytes."""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
)
"""A review carries its script within; so the browser is to give it nothing of this site's: no cookie, no request."""


class Review:
    """The endpoint, as an ASGI application of its own: it ends with its client."""

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._running = 0
        self._one_at_a_time = asyncio.Lock()
        self._kept = copies.state / "reviews"
        self._kept.mkdir(mode=0o750, exist_ok=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        request = Request(scope, receive)
        if request.method != "GET":
            raise HTTPException(405, "a review is fetched with GET", {"allow": "GET"})
        name = listed(self._copies, request)
        if self._running >= MOST_REVIEWS:
            raise HTTPException(503, "too many reviews at once", {"retry-after": "10"})
        self._running += 1
        try:
            page = await until_gone(receive, self._review(request, name))
        finally:
            self._running -= 1
        if page is not None:
            headers = {"content-security-policy": POLICY, "cache-control": "no-cache"}
            answer: Response = HTMLResponse(page, headers=headers)
            await answer(scope, receive, send)

    async def _review(self, request: Request, name: str) -> bytes:
        copy = await made(self._copies, request, name)
        kept = self._kept / f"{copy.sha256}.html"
        async with self._one_at_a_time:
            if not kept.exists():
                with self._copies.use(copy):
                    await self._make_review(copy, kept)
        return await asyncio.to_thread(kept.read_bytes)

    async def _make_review(self, copy: Copy, kept: Path) -> None:
        part = kept.with_suffix(".part")
        async with asyncio.timeout(MOST_S), Child("review", str(copy.path), "--html", str(part)) as child:
            while await child.read():
                pass
            # What is wrong with the evidence stands in the page as well; without a page it is all there is to say.
            if await child.wait() and not part.exists():
                raise HTTPException(409, child.said())
        part.replace(kept)
        for old in sorted(self._kept.glob("*.html"), key=lambda page: page.stat().st_mtime)[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
