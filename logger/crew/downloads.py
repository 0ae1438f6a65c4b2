"""`GET /api/logs/NAME`: a log's bytes, a piece at a time, to whoever may take long and come back.

    200 / 206  with Content-Length, ETag, Repr-Digest (SHA-256), bytes as asked by Range, If-Range, If-Match
    202        {"done": 0.4}: a copy is being made, for those who sent `Prefer: respond-async`; others wait for it
    404 412 416 as ever     409 the log cannot be copied     423 withheld: a timed section is being driven
    503 too many at once     507 no room for a copy

Memory holds one piece a client. A file is read by a thread: a slow card stalls this download and not the crew's
page. A log that lies still is sent from its own file, and not a byte more of it once that has changed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from firmware_bridge.errors import LogError
from logger.boundary.untrusted_json import loads
from logger.crew.commands import body
from logger.crew.compliance import WITHHELD
from logger.crew.copies import FRESH_S, Copies, Copy, NoRoomError, seen_of
from logger.crew.disconnect import until_gone
from logger.crew.feed import Feed
from logger.crew.guard import client_address
from logger.crew.ranges import UnsatisfiableError, asked_range, digest_header, tag, tags, wanted
from logger.transfer import ledger
from logger.transfer.state import state_of

log = logging.getLogger(__name__)

MOST_DOWNLOADS = 6
PIECE_BYTES = 256 * 1024
RETRY_S = 1
"""When to ask again about a copy that is being made."""
MAX_CONFIRMATION_BYTES = 1024
CONFIRMS = "stagelog-confirms"
"""A header of clients that check what arrived and then say so."""
MOST_REACHED = 64
"""Downloads remembered that were cut off and may be gone on with."""
ARRIVAL_S, ARRIVAL_LOOK_S = 30.0, 0.05
"""After the last byte was handed to the network: how long it may take to arrive, and how often we look."""


class Downloads:
    """The logs for downloading. Who has got what is noted beside the copies, in the ledger."""

    def __init__(self, copies: Copies) -> None:
        self.copies = copies
        self._running = 0
        self._reached: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET` and `HEAD` of a log, as an ASGI application of its own: pieces are sent as the client takes them."""
        request = Request(scope, receive)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, "a log is fetched with GET", {"allow": "GET, HEAD"})
        if self._running >= MOST_DOWNLOADS:
            raise HTTPException(503, "too many downloads at once", {"retry-after": "5"})
        self._running += 1
        try:
            whole = await until_gone(receive, self._answer(request, send))
        finally:
            self._running -= 1
        if whole is not None:
            await self._deliver_when_arrived(request, whole)

    async def _answer(self, request: Request, send: Send) -> Copy | None:
        """Answer; the version if the client has been sent all of it, and will not confirm it by itself."""
        name = listed(self.copies, request)
        copy = await self._chosen(request, name)
        if isinstance(copy, Response):
            await copy(request.scope, request.receive, send)
            return None
        try:
            asked = asked_range(_range_header(request, copy), copy.size)
        except UnsatisfiableError:
            headers = {**_headers(name, copy), "content-range": f"bytes */{copy.size}"}
            await Response(status_code=416, headers=headers)(request.scope, request.receive, send)
            return None
        with self.copies.use(copy):
            await self._send(request, name, copy, asked, send)
        key = client_address(request.scope), copy.sha256
        is_whole = request.method == "GET" and self._reached.get(key) == copy.size
        return copy if is_whole and CONFIRMS not in request.headers else None

    async def _chosen(self, request: Request, name: str) -> Copy | Response:
        """The version to send, or what is to be said instead."""
        headers = request.headers
        copy = self.copies.version(name, wanted(headers))
        if copy is None and "if-match" in headers and "*" not in tags(headers["if-match"]):
            raise HTTPException(412, "this version is not here any more")
        if copy is None and "range" in headers and "if-range" not in headers:
            copy = self._resumed(request, name)
        if copy is None:
            work = self.copies.work(name, _max_age_s(headers))
            if "respond-async" in headers.get("prefer", "").lower():
                await asyncio.wait([work], timeout=RETRY_S)
                if not work.done():
                    retry = {"retry-after": str(RETRY_S), "preference-applied": "respond-async"}
                    return JSONResponse({"ok": True, "done": self.copies.done(name)}, 202, retry)
            copy = await made(self.copies, request, name, _max_age_s(headers))
        unchanged = tags(headers.get("if-none-match"))
        if copy.sha256 in unchanged or "*" in unchanged:
            return Response(status_code=304, headers=_headers(name, copy))
        return copy

    def _resumed(self, request: Request, name: str) -> Copy | None:
        """The version for a Range that names none: the one that this client was sent last, not another's copy."""
        address = client_address(request.scope)
        sent = (sha256 for client, sha256 in reversed(self._reached) if client == address)
        found = (self.copies.version(name, {sha256}) for sha256 in sent)
        return next((copy for copy in found if copy), None) or self.copies.newest(name)

    async def _send(self, request: Request, name: str, copy: Copy, asked: range | None, send: Send) -> None:
        part = range(copy.size) if asked is None else asked
        headers = _headers(name, copy) | {"content-length": str(len(part))}
        if asked is not None:
            headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{copy.size}"
        descriptor = os.open(copy.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._note_reached(
            request, copy, part.start, part.start
        )  # a HEAD, or an empty file, says a version too
        try:
            start = {"type": "http.response.start", "status": 200 if asked is None else 206}
            await send(
                {**start, "headers": [(key.encode(), value.encode()) for key, value in headers.items()]}
            )
            at, end = part.start, part.start if request.method == "HEAD" else part.stop
            while at < end:
                piece = await asyncio.to_thread(_read, descriptor, copy, at, min(PIECE_BYTES, end - at))
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                at += len(piece)
                self._note_reached(request, copy, part.start, at)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except LogError as error:
            log.warning("the download of %s is cut off: %s", name, error.what)
            request.scope["state"]["line"].cut()
        finally:
            os.close(descriptor)

    def _note_reached(self, request: Request, copy: Copy, start: int, at: int) -> None:
        """How much of a version one client has: whoever goes on at a byte has those before it."""
        key = client_address(request.scope), copy.sha256
        before = self._reached.pop(key, 0)
        self._reached[key] = max(before, at) if start <= before else before
        if len(self._reached) > MOST_REACHED:
            self._reached.popitem(last=False)

    async def _deliver_when_arrived(self, request: Request, copy: Copy) -> None:
        """A browser says nothing when it has all; but its system tells ours what has arrived."""
        line = request.scope["state"]["line"]
        for _ in range(round(ARRIVAL_S / ARRIVAL_LOOK_S)):
            if line.unsent() == 0:
                await asyncio.to_thread(self._deliver, str(request.path_params["name"]), copy)
                return
            await asyncio.sleep(ARRIVAL_LOOK_S)

    async def delivered(self, request: Request) -> Response:
        """`POST /api/logs/NAME/delivered` {"sha256": ...}: the client has checked what arrived."""
        name = listed(self.copies, request)
        try:
            sha256 = loads(await body(request, MAX_CONFIRMATION_BYTES))["sha256"]
        except (ValueError, KeyError, TypeError):
            raise HTTPException(400, 'a confirmation is {"sha256": ...}') from None
        copy = self.copies.version(name, {str(sha256)})
        if copy is None:
            raise HTTPException(409, "no such version of this log was here")
        await asyncio.to_thread(self._deliver, name, copy)
        return JSONResponse({"ok": True})

    def _deliver(self, name: str, copy: Copy) -> None:
        try:
            state = state_of(copy.path)
            if (state.session, state.t_us) not in ledger.reaches(self.copies.state).get(name, ()):
                ledger.add(self.copies.state, ledger.Delivered.now(name, state, copy.size, copy.sha256))
        except OSError as error:
            log.warning("the delivery of %s is not noted, so it counts as undelivered: %s", name, error)


def listed(copies: Copies, request: Request) -> str:
    """The log's name in an address, if it is one of the list and may be handed out. HTTPException 404, 423, 503."""
    name = str(request.path_params["name"])
    try:
        is_there = name in copies.names()
    except LogError as error:
        raise HTTPException(503, str(error)) from error
    if not is_there:
        raise HTTPException(404, "no such log")
    _require_free(request, name)
    return name


async def made(copies: Copies, request: Request, name: str, max_age_s: float = FRESH_S) -> Copy:
    """The bytes of a log; making them goes on when the client has gone. HTTPException 423, 507, 409, 503."""
    try:
        copy = await asyncio.shield(copies.work(name, max_age_s))
    except NoRoomError as error:
        raise HTTPException(507, str(error)) from error
    except LogError as error:
        raise HTTPException(409, str(error)) from error
    except OSError as error:
        raise HTTPException(503, f"the copy could not be made: {error.strerror or error}") from error
    _require_free(request, name)  # the timed section may have begun meanwhile
    return copy


def _require_free(request: Request, name: str) -> None:
    """HTTPException 423 for a log that is withheld: every answer with something out of a log asks here."""
    feed: Feed = request.app.state.feed
    if feed.withholds(name):
        raise HTTPException(423, WITHHELD)


def disposition(name: str) -> str:
    """A Content-Disposition that suggests a file's name, whatever is in it."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_. ") else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _max_age_s(headers: Mapping[str, str]) -> float:
    """How old a copy may be for this client (RFC 9111, 5.2.1.1)."""
    found = re.search(r"max-age=(\d{1,9})", headers.get("cache-control", ""), re.ASCII)
    return float(found[1]) if found else FRESH_S


def _headers(name: str, copy: Copy) -> dict[str, str]:
    return {
        "content-type": "application/vnd.sqlite3",
        "content-disposition": disposition(name),
        "accept-ranges": "bytes",
        "etag": tag(copy.sha256),
        "repr-digest": digest_header(copy.sha256),
        "cache-control": "no-cache",
    }


def _range_header(request: Request, copy: Copy) -> str | None:
    """The Range, if it holds for this version: GET only, and what If-Range names is what we have."""
    headers: Any = request.headers
    if request.method != "GET" or ("if-range" in headers and copy.sha256 not in tags(headers["if-range"])):
        return None
    found: str | None = headers.get("range")
    return found


def _read(descriptor: int, copy: Copy, at: int, size: int) -> bytes:
    """A piece of a file. LogError ends the answer in the middle when it is not the version that was promised."""
    piece = os.pread(descriptor, size, at)
    changed = copy.seen is not None and seen_of(copy.path) != copy.seen
    if changed or not piece:
        raise LogError("began to be recorded while it was being sent", where=copy.path.name)
    return piece
