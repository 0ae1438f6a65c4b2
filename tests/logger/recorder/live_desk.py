"""A live socket that records its commands."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from logger.recorder.live_socket import LiveSocket


class Desk:
    """A live socket that records its commands, and answers with an error if one asks for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[dict[str, Any]] = []
        self.refused: list[int] = []
        self.socket = LiveSocket(path, self._take, self.refused.append)

    def _take(self, fields: dict[str, Any], reply: Callable[[str | None], None]) -> None:
        self.heard.append(fields)
        reply(fields.get("fail"))

    def publish(self, **snapshot: Any) -> None:
        """Publish a snapshot."""
        self.socket.publish(lambda: json.dumps(snapshot).encode() + b"\n")


@contextmanager
def serving(path: Path) -> Iterator[Desk]:
    desk = Desk(path)
    thread = threading.Thread(target=desk.socket.run)
    thread.start()
    try:
        yield desk
    finally:
        desk.socket.close()
        thread.join(60)
    assert not thread.is_alive()
    assert not path.exists()
