"""`GET /api/live` and `/api/live/stream`: the live state as JSON and as server-sent events.

    retry: 500                                       first
    event: link   data: {"recorder": true, ...}      at the beginning, at every change, and as a heartbeat
    id: 5123456   data: {the snapshot}               whenever there is a newer one

`id` is the snapshot's time of arrival on this machine's monotonic clock, in ms. A page computes from it how much later
than usual an event arrives, so that it does not show a buffered snapshot as current.
"""

from __future__ import annotations

import asyncio
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from logger.crew.connections import run_until_disconnect
from logger.crew.feed import Feed, News

MAX_STREAMS = 32
"""Concurrent streams; a browser needs one for all its tabs, and each takes part of a Pi's core."""
HEARTBEAT_S = 1.0
"""Without a new snapshot, a link event is sent this often, so that a page can detect a lost connection."""
NO_STORE = {"cache-control": "no-store"}


async def live(request: Request) -> Response:
    """`GET /api/live`: the newest snapshot, or 503 when there is no fresh one."""
    feed: Feed = request.app.state.feed
    news = feed.fresh()
    if news is None:
        why = feed.news.why or "the recorder is silent"
        return JSONResponse({"error": why}, 503, NO_STORE)
    return Response(news.text, headers=NO_STORE, media_type="application/json")


class LiveStream:
    """`GET /api/live/stream` as an ASGI application, so that nothing buffers between feed and socket."""

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
        try:
            await run_until_disconnect(receive, self._send(send))
        finally:
            self._open -= 1

    async def _send(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def write(text: str) -> None:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

        feed, sent = self._feed, self._feed.news
        await write("retry: 500\n" + _link(sent))
        if (current := feed.fresh()) is not None:
            await write(_snapshot(current))
        while not feed.closed:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    news = await feed.newer(sent)
            except TimeoutError:
                await write(_link(sent))
                continue
            await write(_link(news) if news.snapshot is None else _snapshot(news))
            if sent.snapshot is None and news.snapshot is not None:
                await write(_link(news))
            sent = news
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _snapshot(news: News) -> str:
    return f"id: {news.at_s * 1000:.0f}\ndata: {news.text}\n\n"


def _link(news: News) -> str:
    state = {"recorder": news.snapshot is not None, "why": news.why}
    return f"event: link\ndata: {json.dumps(state)}\n\n"
