"""Rows into a log that can be made again: written in great strides, synced once at the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_bridge.errors import LogError
from logger.recording.holding import require_free
from logger.recording.rows import Rows
from logger.recording.store import Log, SessionStart

_STRIDE_BYTES = 8 * 1024 * 1024
"""Rows gathered before they are inserted: bounds memory; more is no faster."""
_ELSEWHERE = "choose another folder with -o"


class BulkLog:
    """A log under construction; it gets its name when it is whole."""

    def __init__(self, path: Path) -> None:
        """Raises LogError when `path` exists already or cannot be written, InUseError where a recorder writes."""
        require_free(path.parent, _ELSEWHERE)
        if path.exists():
            raise LogError("there is a log already", where=str(path), mend=_ELSEWHERE)
        self._path = path
        self._part = path.with_name(path.name + ".part")
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._clear()
            try:
                self._log = Log(self._part, durable=False)
            except BaseException:
                self._clear()
                raise
        self._rows = Rows()
        self._waiting_bytes = 0

    def begin_session(self, start: SessionStart, meta: dict[str, str]) -> None:
        """Rows from here on belong to a new session. Raises LogError when the disk refuses it."""
        self._flush()
        with self._told():
            self._log.begin_session(start, meta)

    def put(self, rows: Rows) -> None:
        """Take rows. Raises LogError when the disk refuses them."""
        self._rows.extend(rows)
        self._waiting_bytes += rows.weight_bytes
        if self._waiting_bytes >= _STRIDE_BYTES:
            self._flush()

    def _flush(self) -> None:
        with self._told():
            if len(self._rows):
                self._log.write(self._rows)
            self._log.commit()
        self._rows = Rows()
        self._waiting_bytes = 0

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What goes wrong with the disk, as one line."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, LogError):
                raise
            mend = "check the folder and its free space"
            raise LogError(f"cannot be written: {error}", where=str(self._path), mend=mend) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
                require_free(self._path.parent, _ELSEWHERE)  # it may have begun a log of this name
                with self._told():
                    self._log.close()
                    self._part.rename(self._path)
        finally:
            self._log.abandon()
            self._clear()

    def _clear(self) -> None:
        """Remove what is unfinished, here or from an earlier attempt."""
        for left in self._part.parent.glob(f"{self._part.name}*"):  # SQLite's own files beside it too
            left.unlink()
