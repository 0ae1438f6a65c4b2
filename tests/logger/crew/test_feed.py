"""The feed from the recorder: the newest snapshot wins, commands are answered, and no peer can stop it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.errors import DeviceError
from logger.crew import feed as feed_module
from logger.crew.compliance import Compliance
from logger.crew.feed import SHORT_BYTES, Feed, Snapshot

pytestmark = pytest.mark.socket

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A scripted program at the recorder's end of the socket."""

    def __init__(self, path: Path, talk: Talk) -> None:
        self._path, self._talk = path, talk
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Peer:
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with suppress(OSError):
            await self._talk(reader, writer)
            await reader.read()

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._path.unlink()
        await asyncio.sleep(0)


def send_lines(*lines: bytes) -> Talk:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.writelines(lines)
        await writer.drain()

    return talk


async def followed(
    path: Path,
    body: Callable[[Feed], Awaitable[None]],
    compliance: Compliance | None = None,
) -> None:
    """Run `body` with a feed that follows the socket at `path`."""
    feed = Feed(path, compliance or Compliance(applies=False))
    following = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(60):
            await body(feed)
        assert not following.done(), "the feed has ended"
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def present(feed: Feed, holds: Callable[[Any], bool] = lambda _: True) -> Any:
    """The first snapshot that satisfies a condition."""
    news = feed.news
    while news.snapshot is None or not holds(news.snapshot):
        news = await feed.newer(news)
    return news.snapshot


def test_only_the_newest_snapshot_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "FRESH_S", 60.0)

    async def body(feed: Feed) -> None:
        async with Peer(tmp_path / "s", send_lines(*(b'{"n": %d}\n' % n for n in range(1000)))):
            await present(feed, lambda snapshot: snapshot["n"] == 999)
            news = feed.fresh()
            assert news is not None
            assert json.loads(news.text) == {"n": 999, "compliance": False}

    asyncio.run(followed(tmp_path / "s", body))


@pytest.mark.parametrize(
    "garbage",
    [b"\n", b"not JSON\n", b"[1, 2]\n", b"null\n", b'"text"\n', b"\xff\xfe\n", b'{"answer": 77}\n',
     b'{"answer": [], "ok": true}\n', b"[" * 50_000 + b"\n"],
)  # fmt: skip
def test_garbage_between_snapshots_is_skipped(tmp_path: Path, garbage: bytes) -> None:
    async def body(feed: Feed) -> None:
        async with Peer(tmp_path / "s", send_lines(b'{"n": 1}\n', garbage, b'{"n": 2}\n')):
            await present(feed, lambda snapshot: snapshot["n"] == 2)

    asyncio.run(followed(tmp_path / "s", body))


def test_snapshots_are_parsed_only_when_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred snapshots while no page is open, only the newest is parsed, on request."""
    monkeypatch.setattr(feed_module, "FRESH_S", 60.0)
    monkeypatch.setattr(feed_module, "ANSWER_TIMEOUT_S", 60.0)
    parsed: list[int] = []

    class Counting(Compliance):
        def shown(self, snapshot: Snapshot) -> Snapshot:
            parsed.append(snapshot["n"])
            return snapshot

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = json.loads(await reader.readline())["id"]
        writer.writelines(b'{"n": %d, "more": "%s"}\n' % (n, b"x" * SHORT_BYTES) for n in range(100))
        writer.write(b'{"answer": %d, "ok": true}\n' % number)

    async def body(feed: Feed) -> None:
        async with Peer(tmp_path / "s", talk):
            while True:
                with suppress(DeviceError):  # not connected yet
                    await feed.command("mark", {})
                    break
                await asyncio.sleep(0.01)
            news = feed.fresh()
            assert news is not None and news.snapshot is not None
            assert news.snapshot["n"] == 99
            assert parsed == [99]

    asyncio.run(followed(tmp_path / "s", body, Counting(applies=False)))


def test_nan_and_infinity_never_reach_a_browser(tmp_path: Path) -> None:
    async def body(feed: Feed) -> None:
        async with Peer(tmp_path / "s", send_lines(b'{"speed_kmh": NaN, "x": -Infinity}\n')):
            snapshot = await present(feed)
            assert (snapshot["speed_kmh"], snapshot["x"]) == (None, None)

    asyncio.run(followed(tmp_path / "s", body))


def test_an_endless_line_is_cut_off_and_the_feed_reconnects(tmp_path: Path) -> None:
    async def body(feed: Feed) -> None:
        async with Peer(tmp_path / "s", send_lines(b"x" * (feed_module.MAX_LINE_BYTES * 3))):
            await asyncio.sleep(0.2)
        async with Peer(tmp_path / "s", send_lines(b'{"n": 1}\n')):
            await present(feed)

    asyncio.run(followed(tmp_path / "s", body))


def test_recorder_loss_and_return_are_both_noticed(tmp_path: Path) -> None:
    async def body(feed: Feed) -> None:
        for round_ in range(3):
            async with Peer(tmp_path / "s", send_lines(b'{"n": %d}\n' % round_)):
                assert (await present(feed))["n"] == round_
            while feed.news.snapshot is not None:
                await feed.newer(feed.news)
            assert feed.fresh() is None
            assert feed.news.why

    asyncio.run(followed(tmp_path / "s", body))


def test_answers_in_any_order_are_matched_to_their_commands(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"n": 0}\n')
        received = [json.loads(await reader.readline()) for _ in range(3)]
        for command in reversed(received):
            ok = command["command"] != "undo"
            answer = {"answer": command["id"], "ok": ok} | (
                {} if ok else {"error": "there is nothing to undo"}
            )
            writer.write(json.dumps(answer).encode() + b"\n" + b'{"n": 1}\n')
        assert [command.get("metres") for command in received] == [10, None, None]

    async def body(feed: Feed) -> None:
        async with Peer(tmp_path / "s", talk):
            await present(feed)
            answers = await asyncio.gather(
                feed.command("adjust_distance", {"metres": 10}),
                feed.command("undo", {}),
                feed.command("mark", {}),
            )
            assert [answer["ok"] for answer in answers] == [True, False, True]
            assert answers[1]["error"] == "there is nothing to undo"

    asyncio.run(followed(tmp_path / "s", body))


def test_a_command_without_a_recorder_fails_immediately(tmp_path: Path) -> None:
    async def body(feed: Feed) -> None:
        with pytest.raises(DeviceError, match="not there"):
            await feed.command("mark", {})

    asyncio.run(followed(tmp_path / "s", body))


def test_a_command_fails_when_the_recorder_dies(tmp_path: Path) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"n": 0}\n')
        await reader.readline()
        writer.transport.abort()

    async def body(feed: Feed) -> None:
        async with Peer(tmp_path / "s", talk):
            await present(feed)
            with pytest.raises(DeviceError, match="disconnected"):
                await feed.command("mark", {})

    asyncio.run(followed(tmp_path / "s", body))


def test_a_command_to_a_hung_recorder_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "ANSWER_TIMEOUT_S", 0.2)

    async def body(feed: Feed) -> None:
        async with Peer(tmp_path / "s", send_lines(b'{"n": 0}\n')):
            await present(feed)
            with pytest.raises(DeviceError, match="did not answer"):
                await feed.command("mark", {})
            # The feed opens a new connection, so what the peer had not read is lost.
            while feed.news.snapshot is not None:
                await feed.newer(feed.news)

    asyncio.run(followed(tmp_path / "s", body))


def test_the_number_of_waiting_commands_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "ANSWER_TIMEOUT_S", 0.3)

    async def body(feed: Feed) -> None:
        async with Peer(tmp_path / "s", send_lines(b'{"n": 0}\n')):
            await present(feed)
            outcomes = await asyncio.gather(
                *(feed.command("mark", {}) for _ in range(40)), return_exceptions=True
            )
            sent = [outcome for outcome in outcomes if "busy" not in str(outcome)]
            # If a second ends meanwhile, the rate limit allows as many again; the waiting ones still bound them.
            assert feed_module.COMMANDS_PER_S <= len(sent) <= feed_module.MAX_WAITING

    asyncio.run(followed(tmp_path / "s", body))
