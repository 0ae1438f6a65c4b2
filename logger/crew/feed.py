"""Client of the recorder's live socket: receive the newest snapshot, send commands.

Knows JSON lines on a Unix socket; no HTTP, and no meaning of a snapshot. The idea: there is no queue. A reader waits
until there is something newer than what it has, and then gets the newest; a slow reader skips snapshots and delays
nobody. While nobody waits, snapshots are not parsed. The socket is always read at once, so that the recorder never
waits. After a disconnect the client reconnects until it is stopped.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from firmware_bridge.errors import DeviceError
from logger.boundary.rate_limit import RateLimit
from logger.crew.compliance import Compliance
from logger.recorder.live_socket import MAX_COMMANDS_PER_S

log = logging.getLogger(__name__)

Snapshot = Mapping[str, Any]

RETRY_S = 0.25
"""A returning recorder is on the page well within a second, and an attempt costs one system call."""
MAX_LINE_BYTES = 1024 * 1024
"""A snapshot is some kilobytes; a long roadbook is a hundred. More is not our recorder."""
ANSWER_TIMEOUT_S = 3.0
"""The recorder answers within one loop of a few hundredths of a second, or something is wrong with it."""
MAX_WAITING = 16
"""Commands in progress: more than one crew can press."""
COMMANDS_PER_S = MAX_COMMANDS_PER_S // 2
"""Well below the recorder's limit for one client: beyond it, it would ignore the commands of all pages."""
SHORT_BYTES = 512
"""Answers are shorter, and are parsed at once; a snapshot is longer, and is parsed when a reader wants it."""
FRESH_S = 1.0
"""A snapshot older than this must not be sent to a new client as current."""


class News:
    """The newest state: a snapshot, or None and the reason `why`. `at_s` is the monotonic time of arrival."""

    def __init__(self, at_s: float, snapshot: Snapshot | None, why: str = "") -> None:
        self.at_s, self.snapshot, self.why = at_s, snapshot, why

    @cached_property
    def text(self) -> str:
        """The snapshot as JSON, encoded once for all readers, on first use."""
        return json.dumps(self.snapshot, separators=(",", ":"))


class Feed:
    """The crew server's connection to the recorder. `compliance` removes from a snapshot what must not be shown."""

    def __init__(self, socket: Path, compliance: Compliance) -> None:
        self._news = News(0.0, None, "starting")
        self._unread: tuple[float, bytes] | None = None
        self._waits = 0
        self.closed = False
        self._socket = socket
        self._compliance = compliance
        self._changed = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._waiting: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._last_id = 0
        self._rate_limit = RateLimit(COMMANDS_PER_S)

    async def run(self) -> None:
        """Stay connected to the recorder until cancelled."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._socket, limit=MAX_LINE_BYTES)
            except OSError as error:
                self._lost(f"the recorder is not there ({error.strerror or error})")
            else:
                try:
                    await self._follow(reader, writer)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(RETRY_S)

    @property
    def news(self) -> News:
        """The newest state."""
        self._catch_up()
        return self._news

    async def newer(self, than: News | None) -> News:
        """Wait until the newest state is not `than`, and return it. Returns at once when the feed is closed."""
        self._waits += 1
        try:
            while self.news is than and not self.closed:
                await self._changed.wait()
        finally:
            self._waits -= 1
        return self.news

    def fresh(self) -> News | None:
        """The newest state if it holds a snapshot of the last `FRESH_S`."""
        is_fresh = self.news.snapshot is not None and _now_s() - self.news.at_s < FRESH_S
        return self.news if is_fresh else None

    def withholds(self, log_name: str) -> bool:
        """Whether a log must not be served now, according to the newest snapshot."""
        self._catch_up()
        return self._compliance.withholds(log_name)

    def close(self) -> None:
        """Release all waiting readers: the server is stopping."""
        self.closed = True
        self._wake()

    async def command(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send a command to the recorder; return its answer, {"ok": ...}. Raises DeviceError if none comes."""
        writer = self._writer
        if writer is None:
            raise DeviceError("the recorder is not there", hint="start it: stagelog run")
        if len(self._waiting) >= MAX_WAITING or not self._rate_limit.take(_now_s()):
            raise DeviceError("the recorder is busy", hint="try again")
        self._last_id = number = self._last_id + 1
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                writer.write(json.dumps({**arguments, "command": name, "id": number}).encode() + b"\n")
                await writer.drain()
                return await answer
        except TimeoutError:
            # A command still in the socket's buffer must not run later, when nobody expects it.
            writer.transport.abort()
            raise DeviceError("the recorder did not answer", hint="check whether it was done") from None
        except OSError as error:
            raise DeviceError("the recorder disconnected", hint="try again when it is back") from error
        finally:
            del self._waiting[number]

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        log.info("connected to the recorder")
        with suppress(OSError, ValueError):  # disconnected, or a line that is too long
            async for line in reader:
                self._take(line)
        self._writer = None
        disconnected = DeviceError("the recorder disconnected", hint="check whether it was done")
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(disconnected)
        self._lost("the recorder disconnected")

    def _take(self, line: bytes) -> None:
        if self._waits == 0 and len(line) > SHORT_BYTES:
            self._unread = _now_s(), line
        else:
            self._catch_up()
            self._read(_now_s(), line)

    def _catch_up(self) -> None:
        unread, self._unread = self._unread, None
        if unread is not None:
            self._read(*unread)

    def _read(self, at_s: float, line: bytes) -> None:
        try:
            document = json.loads(line, parse_constant=lambda _: None)  # no browser can read NaN
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            log.warning("the recorder sent a line that is not a JSON object")
        elif "answer" in document:
            number = document["answer"]
            answer = self._waiting.get(number) if isinstance(number, int) else None
            if answer is not None and not answer.done():
                answer.set_result(document)
        else:
            self._publish(News(at_s, self._compliance.shown(document)))

    def _lost(self, why: str) -> None:
        if self.news.snapshot is not None or self.news.at_s == 0:
            log.warning("%s; trying again", why)
            self._publish(News(_now_s(), None, why))

    def _publish(self, news: News) -> None:
        self._news = news
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _now_s() -> float:
    return asyncio.get_running_loop().time()
