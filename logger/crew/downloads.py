"""`GET /api/logs/NAME`: resumable download of a log.

    200 / 206  with Content-Length, ETag, Repr-Digest (SHA-256); honours Range, If-Range, If-Match
    202        {"done": 0.4}: a copy is being made, for clients that sent `Prefer: respond-async`; others wait for it
    404 412 416 as usual    409 the log cannot be copied     423 withheld: the car is in a timed section
    503 too many at once     507 no space for a copy

Memory holds one chunk per client. A thread reads the file, so a slow card stalls this download and not the crew's
page. A closed log is sent from its own file; the download is aborted when that file changes.
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
from logger.crew.connections import run_until_disconnect
from logger.crew.copies import FRESH_S, Copies, Copy, NoRoomError, stamp_of
from logger.crew.feed import Feed
from logger.crew.guard import client_address
from logger.crew.ranges import (
    UnsatisfiableError,
    digest_header,
    requested_range,
    requested_versions,
    tag,
    tags,
)
from logger.transfer import ledger
from logger.transfer.state import state_of

log = logging.getLogger(__name__)

MAX_DOWNLOADS = 6
CHUNK_BYTES = 256 * 1024
RETRY_S = 1
"""Retry-After of a copy in progress."""
MAX_CONFIRMATION_BYTES = 1024
CONFIRMS = "stagelog-confirms"
"""A header of clients that verify the download and then confirm it."""
MAX_REMEMBERED = 64
"""Interrupted downloads that are remembered, so that they can be resumed."""
ARRIVAL_TIMEOUT_S, ARRIVAL_POLL_S = 30.0, 0.05
"""After the last byte is passed to the kernel: how long it may take to arrive, and the polling interval."""


class Downloads:
    """Serve logs for download. The ledger beside the copies records completed deliveries."""

    def __init__(self, copies: Copies) -> None:
        self.copies = copies
        self._running = 0
        self._sending: dict[int, tuple[str, float]] = {}
        self._reached: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET` and `HEAD` of a log, as an ASGI application: it sends chunks as the client reads them."""
        request = Request(scope, receive)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405, "use GET for a log", {"allow": "GET, HEAD"})
        if self._running >= MAX_DOWNLOADS:
            raise HTTPException(503, "too many downloads at once", {"retry-after": "5"})
        self._running += 1
        if request.method == "GET":
            self._sending[id(scope)] = str(request.path_params["name"]), 0.0
        try:
            try:
                sent = await run_until_disconnect(receive, self._answer(request, send))
            finally:
                self._running -= 1
            if sent is not None:
                await self._deliver_when_arrived(request, sent)
        finally:
            self._sending.pop(id(scope), None)

    def sending(self, name: str) -> float | None:
        """How much of a log is sent to the client that has most of it, 0 to 1; None when nobody downloads it."""
        return max((share for of, share in self._sending.values() if of == name), default=None)

    async def _answer(self, request: Request, send: Send) -> Copy | None:
        """Send the answer. Return the version if all of it was sent and the client does not confirm downloads."""
        name = available_log(self.copies, request)
        copy = await self._select(request, name)
        if isinstance(copy, Response):
            await copy(request.scope, request.receive, send)
            return None
        try:
            byte_range = requested_range(_range_header(request, copy), copy.size)
        except UnsatisfiableError:
            headers = {**_headers(name, copy), "content-range": f"bytes */{copy.size}"}
            await Response(status_code=416, headers=headers)(request.scope, request.receive, send)
            return None
        with self.copies.use(copy):
            await self._send(request, name, copy, byte_range, send)
        key = client_address(request.scope), copy.sha256
        is_whole = request.method == "GET" and self._reached.get(key) == copy.size
        return copy if is_whole and CONFIRMS not in request.headers else None

    async def _select(self, request: Request, name: str) -> Copy | Response:
        """The version to send, or the response to send instead."""
        headers = request.headers
        copy = self.copies.version(name, requested_versions(headers))
        if copy is None and "if-match" in headers and "*" not in tags(headers["if-match"]):
            raise HTTPException(412, "this version is no longer available")
        if copy is None and "range" in headers and "if-range" not in headers:
            copy = self._resumed(request, name)
        if copy is None:
            work = self.copies.work(name, _max_age_s(headers))
            if "respond-async" in headers.get("prefer", "").lower():
                await asyncio.wait([work], timeout=RETRY_S)
                if not work.done():
                    retry = {"retry-after": str(RETRY_S), "preference-applied": "respond-async"}
                    return JSONResponse({"ok": True, "done": self.copies.done(name)}, 202, retry)
            copy = await make_copy(self.copies, request, name, _max_age_s(headers))
        unchanged = tags(headers.get("if-none-match"))
        if copy.sha256 in unchanged or "*" in unchanged:
            return Response(status_code=304, headers=_headers(name, copy))
        return copy

    def _resumed(self, request: Request, name: str) -> Copy | None:
        """The version for a Range that names none: the last one sent to this client, else the newest copy."""
        address = client_address(request.scope)
        sent = (sha256 for client, sha256 in reversed(self._reached) if client == address)
        versions = (self.copies.version(name, {sha256}) for sha256 in sent)
        return next((copy for copy in versions if copy), None) or self.copies.newest(name)

    async def _send(
        self, request: Request, name: str, copy: Copy, byte_range: range | None, send: Send
    ) -> None:
        part = range(copy.size) if byte_range is None else byte_range
        headers = _headers(name, copy) | {"content-length": str(len(part))}
        if byte_range is not None:
            headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{copy.size}"
        descriptor = os.open(copy.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._note_reached(request, copy, part.start, part.start)  # for a HEAD or an empty file too
        try:
            start = {"type": "http.response.start", "status": 200 if byte_range is None else 206}
            await send(
                {**start, "headers": [(key.encode(), value.encode()) for key, value in headers.items()]}
            )
            at, end = part.start, part.start if request.method == "HEAD" else part.stop
            while at < end:
                chunk = await asyncio.to_thread(_read, descriptor, copy, at, min(CHUNK_BYTES, end - at))
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                at += len(chunk)
                self._note_reached(request, copy, part.start, at)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except LogError as error:
            log.warning("the download of %s is aborted: %s", name, error.what)
            request.scope["state"]["connection"].abort()
        finally:
            os.close(descriptor)

    def _note_reached(self, request: Request, copy: Copy, start: int, at: int) -> None:
        """Note how much of a version one client has; a client that resumes at a byte has those before it."""
        key = client_address(request.scope), copy.sha256
        before = self._reached.pop(key, 0)
        self._reached[key] = max(before, at) if start <= before else before
        if (sending := self._sending.get(id(request.scope))) is not None:
            self._sending[id(request.scope)] = sending[0], at / max(1, copy.size)
        if len(self._reached) > MAX_REMEMBERED:
            self._reached.popitem(last=False)

    async def _deliver_when_arrived(self, request: Request, copy: Copy) -> None:
        """Record a delivery once TCP has acknowledged every byte: a browser sends no confirmation."""
        connection = request.scope["state"]["connection"]
        for _ in range(round(ARRIVAL_TIMEOUT_S / ARRIVAL_POLL_S)):
            if connection.unsent() == 0:
                await asyncio.to_thread(self._deliver, str(request.path_params["name"]), copy)
                return
            await asyncio.sleep(ARRIVAL_POLL_S)

    async def delivered(self, request: Request) -> Response:
        """`POST /api/logs/NAME/delivered` {"sha256": ...}: the client has verified its download."""
        name = available_log(self.copies, request)
        try:
            sha256 = loads(await body(request, MAX_CONFIRMATION_BYTES))["sha256"]
        except (ValueError, KeyError, TypeError):
            raise HTTPException(400, 'a confirmation is {"sha256": ...}') from None
        copy = self.copies.version(name, {str(sha256)})
        if copy is None:
            raise HTTPException(409, "this version of the log is not known")
        await asyncio.to_thread(self._deliver, name, copy)
        return JSONResponse({"ok": True})

    def _deliver(self, name: str, copy: Copy) -> None:
        try:
            state = state_of(copy.path)
            if (state.session, state.t_us) not in ledger.reaches(self.copies.state).get(name, ()):
                ledger.add(self.copies.state, ledger.Delivered.now(name, state, copy.size, copy.sha256))
        except OSError as error:
            log.warning("the delivery of %s cannot be recorded, so it counts as undelivered: %s", name, error)


def available_log(copies: Copies, request: Request) -> str:
    """The log name in a request's path, if that log exists and is not withheld. HTTPException 404, 423, 503."""
    name = str(request.path_params["name"])
    try:
        is_there = name in copies.names()
    except LogError as error:
        raise HTTPException(503, str(error)) from error
    if not is_there:
        raise HTTPException(404, "no such log")
    _require_not_withheld(request, name)
    return name


async def make_copy(copies: Copies, request: Request, name: str, max_age_s: float = FRESH_S) -> Copy:
    """Make a version of a log; the work continues if the client disconnects. HTTPException 423, 507, 409, 503."""
    try:
        copy = await asyncio.shield(copies.work(name, max_age_s))
    except NoRoomError as error:
        raise HTTPException(507, str(error)) from error
    except LogError as error:
        raise HTTPException(409, str(error)) from error
    except OSError as error:
        raise HTTPException(503, f"the copy could not be made: {error.strerror or error}") from error
    _require_not_withheld(request, name)  # a timed section may have begun meanwhile
    return copy


def _require_not_withheld(request: Request, name: str) -> None:
    """HTTPException 423 for a withheld log. Every answer that contains data of a log calls this."""
    feed: Feed = request.app.state.feed
    if feed.withholds(name):
        raise HTTPException(423, WITHHELD)


def disposition(name: str) -> str:
    """A Content-Disposition header that suggests a file name; any characters are allowed."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_. ") else "_" for c in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _max_age_s(headers: Mapping[str, str]) -> float:
    """The age of a copy that this client accepts, in s (RFC 9111, 5.2.1.1)."""
    match = re.search(r"max-age=(\d{1,9})", headers.get("cache-control", ""), re.ASCII)
    return float(match[1]) if match else FRESH_S


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
    """The Range header if it applies to this version: GET only, and If-Range, if present, names the version."""
    headers: Any = request.headers
    if request.method != "GET" or ("if-range" in headers and copy.sha256 not in tags(headers["if-range"])):
        return None
    header: str | None = headers.get("range")
    return header


def _read(descriptor: int, copy: Copy, at: int, size: int) -> bytes:
    """Read a chunk of a file. LogError, which aborts the answer, if the file is no longer the promised version."""
    chunk = os.pread(descriptor, size, at)
    changed = copy.stamp is not None and stamp_of(copy.path) != copy.stamp
    if changed or not chunk:
        raise LogError("recording into it began while it was being sent", where=copy.path.name)
    return chunk
