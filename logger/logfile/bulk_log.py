"""Write a reproducible log (simulate, replay) in large transactions, synced once at the end."""

from __future__ import annotations

import glob
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_bridge.errors import LogError
from logger.boundary.whole_file import PART_TAIL, claimed, put_in_place
from logger.logfile.directory_lock import require_free
from logger.logfile.rows import Rows
from logger.logfile.store import Log, SessionStart

_STRIDE_BYTES = 8 * 1024 * 1024
"""Rows collected before they are inserted: bounds memory; a larger stride is not faster."""
_ELSEWHERE = "choose another folder with -o"


class BulkLog:
    """A log under construction; it gets its final name when it is complete."""

    def __init__(self, path: Path, *, replaces: bool = False) -> None:
        """With `replaces`, an existing log of that name stays until the new one is complete.

        Raises LogError if `path` exists (without `replaces`) or cannot be written; InUseError if a recorder writes in
        the folder or another program makes the same log.
        """
        require_free(path.parent, _ELSEWHERE)
        self._replaces = replaces
        self._path = path
        self._part = path.with_name(path.name + PART_TAIL)
        self._require_no_other()
        with self._as_log_errors(), ExitStack() as stack:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(claimed(self._part))
            self._clear_tails()
            stack.callback(self._clear_tails)
            self._log = Log(self._part, durable=False)
            stack.callback(self._log.abandon)
            self._claim = stack.pop_all()
        self._rows = Rows()
        self._waiting_bytes = 0

    def begin_session(self, start: SessionStart, meta: dict[str, str]) -> None:
        """Start a new session; later rows belong to it. Raises LogError if the write fails."""
        self._flush()
        with self._as_log_errors():
            self._log.begin_session(start, meta)

    def put(self, rows: Rows) -> None:
        """Add rows. Raises LogError if the write fails."""
        self._rows.extend(rows)
        self._waiting_bytes += rows.weight_bytes
        if self._waiting_bytes >= _STRIDE_BYTES:
            self._flush()

    def _flush(self) -> None:
        with self._as_log_errors():
            if len(self._rows):
                self._log.write(self._rows)
            self._log.commit()
        self._rows = Rows()
        self._waiting_bytes = 0

    @contextmanager
    def _as_log_errors(self) -> Iterator[None]:
        """Turn a failed write into a one-line LogError."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, LogError):
                raise
            hint = "check the folder and its free space"
            reason = error.strerror if isinstance(error, OSError) else error
            raise LogError(f"cannot be written: {reason}", where=str(self._path), hint=hint) from error

    def _require_no_other(self) -> None:
        if self._path.exists() and not self._replaces:
            raise LogError("a log with this name exists", where=str(self._path), hint=_ELSEWHERE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._claim.__exit__(kind, error, trace)
            return
        with self._claim:
            self._finish()

    def _finish(self) -> None:
        self._flush()
        require_free(self._path.parent, _ELSEWHERE)  # a recorder may have started a log of this name
        self._require_no_other()
        with self._as_log_errors():
            self._log.close()
            put_in_place(self._part, self._path)

    def _clear_tails(self) -> None:
        """Remove SQLite's side files of the unfinished log, from this attempt or an earlier one."""
        for left in self._part.parent.glob(f"{glob.escape(self._part.name)}-*"):
            left.unlink()
