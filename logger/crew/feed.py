"""The crew server's one line to the recorder: the newest snapshot comes down, commands go up.

Knows JSON lines on a Unix socket; no HTTP, and nothing of what a snapshot means. The idea: there is no queue.
Whoever wants news waits until there is something newer than what it has, and then gets the newest; one that
is slow misses what lay between, and costs nobody anything; while nobody waits, snapshots are not even parsed.
The socket is always read at once, so that the recorder never waits. A recorder that goes away is found again by
itself, for ever.
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
from logger.boundary.rate_limit import Allowance
from logger.crew.compliance import Compliance
from logger.recorder.live_socket import MAX_COMMANDS_A_S

log = logging.getLogger(__name__)

Snapshot = Mapping[str, Any]

RETRY_S = 0.25
"""A recorder that comes back is on the page well within a second, and asking costs one system call."""
MAX_LINE_BYTES = 1024 * 1024
"""A snapshot is some kilobytes; a long roadbook is a hundred. More is not our recorder."""
ANSWER_S = 3.0
"""The recorder answers within one round of a few hundredths of a second, or something is wrong with it."""
MAX_WAITING = 16
"""Commands under way at once: more than one crew can press."""
COMMANDS_A_S = MAX_COMMANDS_A_S // 2
"""Well below what the recorder takes from one client: it would stop listening, to all pages at once."""
SHORT_BYTES = 512
"""Answers are shorter, and looked at whatever comes; a snapshot is longer, and can wait for a reader."""
FRESH_S = 1.0
"""News older than this must not be handed to a newcomer as the present."""


class News:
    """The newest of the recorder: a snapshot, or None and `why` there is none. `at_s` is the monotonic arrival."""

    def __init__(self, at_s: float, snapshot: Snapshot | None, why: str = "") -> None:
        self.at_s, self.snapshot, self.why = at_s, snapshot, why

    @cached_property
    def text(self) -> str:
        """The snapshot as JSON, made once for all who read it, and not at all when nobody does."""
        return json.dumps(self.snapshot, separators=(",", ":"))


class Feed:
    """The recorder, as the crew server sees it. `compliance` takes from a snapshot what must not be shown."""

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
        self._allowance = Allowance(COMMANDS_A_S)

    async def run(self) -> None:
        """Follow the recorder until cancelled."""
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
        """The newest."""
        self._catch_up()
        return self._news

    async def newer(self, than: News | None) -> News:
        """The newest, as soon as it is another one than that. Returns at once when the feed is closed."""
        self._waits += 1
        try:
            while self.news is than and not self.closed:
                await self._changed.wait()
        finally:
            self._waits -= 1
        return self.news

    def fresh(self) -> News | None:
        """The newest if it is the present."""
        is_fresh = self.news.snapshot is not None and _now_s() - self.news.at_s < FRESH_S
        return self.news if is_fresh else None

    def withholds(self, log_name: str) -> bool:
        """Whether a log may not be handed out now, by the newest that the recorder has said."""
        self._catch_up()
        return self._compliance.withholds(log_name)

    def close(self) -> None:
        """Let go of everybody who waits: the server stops."""
        self.closed = True
        self._wake()

    async def command(self, name: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Tell the recorder what the crew says; its answer, {"ok": ...}. Raises DeviceError if none comes."""
        writer = self._writer
        if writer is None:
            raise DeviceError("the recorder is not there", hint="start it: stagelog run")
        if len(self._waiting) >= MAX_WAITING or not self._allowance.take(_now_s()):
            raise DeviceError("the recorder is busy", hint="try again")
        self._last_id = number = self._last_id + 1
        answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(ANSWER_S):
                writer.write(json.dumps({**arguments, "command": name, "id": number}).encode() + b"\n")
                await writer.drain()
                return await answer
        except TimeoutError:
            # What it did not take yet must not be done at some later moment that nobody expects.
            writer.transport.abort()
            raise DeviceError("the recorder did not answer", hint="look whether it was done") from None
        except OSError as error:
            raise DeviceError("the recorder went away", hint="try again when it is back") from error
        finally:
            del self._waiting[number]

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        log.info("connected to the recorder")
        with suppress(OSError, ValueError):  # gone, or a line without end
            async for line in reader:
                self._take(line)
        self._writer = None
        gone = DeviceError("the recorder went away", hint="look whether it was done")
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(gone)
        self._lost("the recorder went away")

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
            log.warning("the recorder sent what is no JSON object")
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
