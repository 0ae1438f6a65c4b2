"""Outbox: whole messages or nothing, dropped bytes counted, nothing kept for the next session."""

from __future__ import annotations

import select
import threading

from firmware_bridge.devices.outbox import OUTBOX_BYTES, Outbox


def woken(outbox: Outbox) -> bool:
    return bool(select.select([outbox.wake_fd], [], [], 0)[0])


def test_a_message_wakes_and_is_sent_in_parts() -> None:
    outbox = Outbox()
    outbox.open()
    assert not woken(outbox)
    assert outbox.put(b"t7DF8") and outbox.put(b"\r")
    assert woken(outbox)
    assert outbox.unsent() == b"t7DF8\r"
    assert not woken(outbox)
    outbox.sent(4)
    assert outbox.unsent() == b"8\r"
    outbox.sent(2)
    assert not outbox
    outbox.close()
    assert outbox.dropped_bytes == 0


def test_bound_accepts_all_of_a_message_or_nothing() -> None:
    outbox = Outbox()
    outbox.open()
    assert outbox.put(b"x" * (OUTBOX_BYTES - 1))
    assert not outbox.put(b"yz")
    assert outbox.dropped_bytes == 2
    assert outbox.put(b"z")
    assert outbox.unsent() == b"x" * (OUTBOX_BYTES - 1) + b"z"
    outbox.close()


def test_unsent_bytes_are_counted_and_dropped() -> None:
    outbox = Outbox()
    assert not outbox.put(b"closed")
    outbox.open()
    outbox.put(b"stale")
    outbox.close()
    outbox.close()
    assert outbox.dropped_bytes == len(b"closed") + len(b"stale")
    outbox.open()
    assert not outbox
    assert not woken(outbox)
    outbox.close()


def test_many_threads_lose_nothing_uncounted() -> None:
    outbox = Outbox()
    outbox.open()
    taken: list[int] = []

    def write() -> None:
        taken.append(sum(outbox.put(b"12345678") for _ in range(2000)))

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    sent = 0
    while any(thread.is_alive() for thread in threads) or outbox:
        data = outbox.unsent()
        assert len(data) % 8 == 0
        outbox.sent(len(data))
        sent += len(data)
    assert sent == 8 * sum(taken)
    assert sent + outbox.dropped_bytes == 8 * 2000 * 4
    outbox.close()


def test_nothing_does_not_wake_the_port() -> None:
    """There would be nothing to send that clears it: the port's reader would wait for ever."""
    outbox = Outbox()
    outbox.open()
    assert outbox.put(b"")
    assert not woken(outbox)
    outbox.close()
