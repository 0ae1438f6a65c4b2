"""The decoder's queue: in order, bounded by bytes, losses counted per port, link changes never lost."""

from __future__ import annotations

import threading
import time

from firmware_bridge.devices.link import Chunk
from firmware_bridge.devices.ports import LinkChange
from logger.recorder.inbox import INBOX_BYTES, Inbox

CHUNK_BYTES = 64 * 1024
FOREVER_S = 600.0
"""The test would hang."""


def test_the_oldest_item_comes_first_and_once() -> None:
    inbox = Inbox()
    items = [Chunk("gps", n, bytes([n]) * 100) for n in range(10)]
    for item in items:
        inbox.put(item)
    assert len(inbox) == 1000
    first, lost = inbox.take(250)
    assert first == items[:3]
    assert len(inbox) == 700
    rest, _ = inbox.take(10_000)
    assert first + rest == items
    assert inbox.take(10_000) == ([], {})
    assert lost == {}


def test_nothing_is_taken_while_the_writer_is_crowded() -> None:
    inbox = Inbox()
    inbox.put(Chunk("gps", 1, b"$"))
    assert inbox.take(0) == ([], {})
    assert len(inbox) == 1


def test_beyond_the_bound_bytes_are_counted_per_port_and_changes_still_fit() -> None:
    inbox = Inbox()
    fitting = INBOX_BYTES // CHUNK_BYTES
    for number in range(fitting + 3):
        inbox.put(Chunk("engine", number, bytes(CHUNK_BYTES)))
    inbox.put(Chunk("gps", 0, b"$GP"))
    change = LinkChange("gps", 1, "lost", "unplugged")
    inbox.put(change)
    items, lost = inbox.take(INBOX_BYTES + 1)
    assert lost == {"engine": 3 * CHUNK_BYTES, "gps": 3}
    assert len(items) == fitting + 1
    assert items[-1] == change
    inbox.put(Chunk("gps", 2, b"$GP"))
    assert inbox.take(10) == ([Chunk("gps", 2, b"$GP")], {}), (
        "there is room again, and a loss is reported once"
    )


def test_every_byte_of_many_threads_is_taken_or_counted() -> None:
    inbox = Inbox()
    taken: list[Chunk] = []

    def put(port: str) -> None:
        for number in range(2000):
            inbox.put(Chunk(port, number, b"x" * 10))

    threads = [threading.Thread(target=put, args=(port,)) for port in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or len(inbox):
        taken += [item for item in inbox.take(5000)[0] if isinstance(item, Chunk)]
    for port in ("a", "b", "c"):
        assert [chunk.t_us for chunk in taken if chunk.port == port] == list(range(2000))


def test_waiting_ends_with_the_first_item_also_if_it_came_before() -> None:
    inbox = Inbox()
    inbox.put(Chunk("gps", 0, b"$GP"))
    inbox.put(Chunk("gps", 1, b"$GP"))
    inbox.wait(FOREVER_S)
    inbox.put(Chunk("gps", 2, b"$GP"))
    assert len(inbox.take(1000)[0]) == 3
    began = time.monotonic()
    inbox.wait(0.05)
    assert time.monotonic() - began >= 0.05, "nothing came since"
    threading.Timer(0.05, inbox.put, [LinkChange("gps", 3, "lost", "unplugged")]).start()
    inbox.wait(FOREVER_S)
    assert len(inbox.take(1000)[0]) == 1


def test_frames_with_times_wait_for_the_next_round() -> None:
    inbox = Inbox()
    inbox.put(Chunk("bus", 1, b"t1230\r", is_timed=True))
    began_s = time.monotonic()
    inbox.wait(0.05)
    assert time.monotonic() - began_s >= 0.05
    inbox.put(Chunk("gps", 2, b"$"))
    inbox.wait(FOREVER_S)
    assert [chunk.t_us for chunk in inbox.take(10_000)[0]] == [1, 2]
