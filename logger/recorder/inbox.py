"""Queue from the port readers and the crew to the decoder: bounded by bytes, losses counted.

A saturated bus gives 240 kB/s, so the bound is reached only if decoding stops; then it keeps the recorder from growing
until the kernel kills it.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from firmware_bridge.devices.link import Chunk
from firmware_bridge.devices.ports import LinkChange

INBOX_BYTES = 16 * 1024 * 1024
"""More than a minute of a saturated bus."""


class CrewOrder(NamedTuple):
    """A command of the crew. `reply` is called with None, or with the error."""

    t_us: int
    name: str
    arguments: Mapping[str, Any]
    reply: Callable[[str | None], None]


Item = Chunk | LinkChange | CrewOrder


class Inbox:
    """Any thread puts, one thread takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._lost: Counter[str] = Counter()
        self._has_input = threading.Lock()
        """Held while nothing that cannot wait is queued: it takes a tenth of the time of a condition or an event."""
        self._has_input.acquire()

    def wait(self, timeout_s: float) -> None:
        """Return once an item that cannot wait has been put since the last `take`, or after `timeout_s`. Only the
        thread that takes."""
        self._has_input.acquire(timeout=timeout_s)

    def put(self, item: Item) -> None:
        """Add an item; a chunk that does not fit is dropped and counted."""
        weight = len(item.data) if isinstance(item, Chunk) else 0
        with self._lock:
            if isinstance(item, Chunk) and self._bytes + weight > INBOX_BYTES:
                self._lost[item.port] += weight
                return
            self._items.append(item)
            self._bytes += weight
            if self._has_input.locked() and not (isinstance(item, Chunk) and item.is_timed):
                self._has_input.release()

    def take(self, max_bytes: int) -> tuple[list[Item], dict[str, int]]:
        """The oldest items, up to a little over `max_bytes`, and the bytes lost per port since the last call."""
        taken: list[Item] = []
        with self._lock:
            if not self._has_input.locked():
                self._has_input.acquire()
            lost = dict(self._lost)
            self._lost.clear()
            until = self._bytes - max_bytes
            while self._items and self._bytes > until:
                item = self._items.popleft()
                taken.append(item)
                self._bytes -= len(item.data) if isinstance(item, Chunk) else 0
        return taken, lost

    def __len__(self) -> int:
        """Bytes in the queue."""
        return self._bytes
