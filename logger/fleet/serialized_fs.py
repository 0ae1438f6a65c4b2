"""A file system whose driver answers one question at a time, for those who ask from several threads, as Arrow does.

paramiko's SFTP is such a driver. Two threads on its one channel take each other's answers, and wait for ever; and a
file that nobody closed asks a question of its own when it is collected, whose answer the next listing takes for its
own. So there is one turn for the whole process, as fsspec gives everybody who names a server the same connection, and
what was left open is closed at the beginning of a turn.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

_TURN = threading.RLock()
_LEFT_OPEN: deque[Any] = deque()


class _Serialized:
    """Whatever `inner` can do, by one thread after the other."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return _in_turn(found) if callable(found) else found


class SerializedFileSystem(_Serialized):
    """One of fsspec's file systems; `open` is for reading."""

    def open(self, path: str, mode: str = "rb") -> OpenFile:
        """A file to read from."""
        return OpenFile(_in_turn(self._inner.open)(path, mode))


class OpenFile(_Serialized):
    """A file object of it."""

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __del__(self) -> None:
        # It may be collected in the middle of somebody's turn: nothing is serialized here.
        _LEFT_OPEN.append(self._inner)


def _in_turn(method: Callable[..., Any]) -> Callable[..., Any]:
    def serialized(*arguments: Any, **options: Any) -> Any:
        with _TURN:
            while _LEFT_OPEN:
                _LEFT_OPEN.popleft().close()
            return method(*arguments, **options)

    return serialized
