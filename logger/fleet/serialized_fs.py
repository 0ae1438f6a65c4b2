"""Thread-safe wrapper for an fsspec file system whose driver handles one request at a time.

paramiko's SFTP is such a driver, and Arrow calls it from several threads. Two threads on its one channel receive each
other's responses and hang; and an unclosed file sends a request when it is garbage collected, whose response the next
listing takes for its own. So one lock serves the whole process, because fsspec shares one connection per server, and
unclosed files are closed at the next call.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

_LOCK = threading.RLock()
_LEFT_OPEN: deque[Any] = deque()


class _Serialized:
    """Proxy of `inner`; its methods run in one thread at a time."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._inner, name)
        return _locked(attribute) if callable(attribute) else attribute


class SerializedFileSystem(_Serialized):
    """An fsspec file system; `open` is for reading."""

    def open(self, path: str, mode: str = "rb") -> OpenFile:
        """Open a file for reading."""
        return OpenFile(_locked(self._inner.open)(path, mode))


class OpenFile(_Serialized):
    """An open file of a serialized file system."""

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __del__(self) -> None:
        # Garbage collection may happen within another call: only remember the file here.
        _LEFT_OPEN.append(self._inner)


def _locked(method: Callable[..., Any]) -> Callable[..., Any]:
    def serialized(*arguments: Any, **options: Any) -> Any:
        with _LOCK:
            while _LEFT_OPEN:
                _LEFT_OPEN.popleft().close()
            return method(*arguments, **options)

    return serialized
