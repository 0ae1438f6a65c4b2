"""The live state over HTTP: once, and as server-sent events for as long as somebody looks.

    retry: 500                                       first of all
    event: link   data: {"recorder": true, ...}      at the beginning, with every change, and when all is quiet
    id: 5123456   data: {the snapshot}               whenever there is a newer one

`id` is this machine's monotonic clock in milliseconds at the arrival: from it a page knows how much later than
usual an event reaches it, and does not take what lay in some buffer for the present.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from logger.crew.feed import Feed, News

MAX_STREAMS = 32
"""Pages that watch at once; a browser needs one for all its tabs, and each costs a part of a Pi's core."""
HEARTBEAT_S = 1.0
"""With nothing new a page still hears so often that it has not lost us."""
NO_STORE = {"cache-control": "no-store"}


async def live(request: Request) -> Response:
    """`GET /api/live`: the newest snapshot, or 503 when there is none that is the present."""
    feed: Feed = request.app.state.feed
    news = feed.fresh()
    if news is None:
        why = feed.news.why or "the recorder is silent"
        return JSONResponse({"error": why}, 503, NO_STORE)
    return Response(news.text, headers=NO_STORE, media_type="application/json")


class LiveStream:
    """`GET /api/live/stream` as an ASGI application of its own: nothing may stand between news and socket."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            await Response(status_code=405, headers={"allow": "GET"})(scope, receive, send)
            return
        if self._open >= MAX_STREAMS:
            answer = JSONResponse({"error": "too many pages are watching"}, 503, {"retry-after": "5"})
            await answer(scope, receive, send)
            return
        self._open += 1
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open -= 1
            for task in (sending, leaving):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _send(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def say(text: str) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        feed, seen = self._feed, self._feed.news
        await say("retry: 500\n" + _link(seen))
        if (present := feed.fresh()) is not None:
            await say(_snapshot(present))
        while not feed.closed:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    news = await feed.newer(seen)
            except TimeoutError:
                await say(_link(seen))
                continue
            await say(_link(news) if news.snapshot is None else _snapshot(news))
            if seen.snapshot is None and news.snapshot is not None:
                await say(_link(news))
            seen = news
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _snapshot(news: News) -> str:
    return f"id: {news.at_s * 1000:.0f}\ndata: {news.text}\n\n"


def _link(news: News) -> str:
    state = {"recorder": news.snapshot is not None, "why": news.why}
    return f"event: link\ndata: {json.dumps(state)}\n\n"


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
