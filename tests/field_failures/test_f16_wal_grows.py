"""F16: the write-ahead log grows during a read, because a checkpoint cannot pass a reader."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from logger.logfile.store import Log
from logger.logfile.verify import verify
from logger.transfer import copying
from logger.transfer.snapshot import snapshot
from tests.field_failures.recorder_process import until
from tests.figures import Figures
from tests.logger.crew.serving import serving
from tests.logger.transfer.logs_made import LARGE_BYTES, being_recorded, large_rows

USUAL_BYTES = 4 * 1024 * 1024
"""Size at which the recorder checkpoints its write-ahead log."""
COMMIT_BYTES = 1_500_000
"""The most that one commit of this test adds."""


class Writer:
    """Writes to the recorder's store under load, and measures the size of the write-ahead log."""

    def __init__(self, log: Log) -> None:
        self._log, self._wal = log, log.path.with_name(log.path.name + "-wal")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self.commits = self.longest_wal = 0

    def _write(self) -> None:
        while not self._stop.wait(0.02):
            self._log.write(large_rows(5_000, 100_000 + 5_000 * self.commits))
            self._log.commit()
            self.commits += 1
            self.longest_wal = max(self.longest_wal, self._wal.stat().st_size)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write during the body."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def wait_for(self, commits: int) -> None:
        """Wait for further commits."""
        goal = self.commits + commits
        until(lambda: self.commits >= goal, 60)


def test_f16_a_long_read_transaction_makes_the_wal_grow(tmp_path: Path) -> None:
    """The other tests of this file would see this if a download read the log itself."""
    with being_recorded(tmp_path / "b.db") as log:
        writer = Writer(log)
        with writer.writing(), closing(sqlite3.connect(f"{log.path.as_uri()}?mode=ro", uri=True)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM meta").fetchone()
            writer.wait_for(50)
        assert writer.longest_wal > 3 * USUAL_BYTES


def test_f16_a_slow_download_does_not_make_the_wal_grow(tmp_path: Path, figures: Figures) -> None:
    name = "stage-1-001.db"
    with being_recorded(tmp_path / "logs" / name, 200_000) as log:
        writer = Writer(log)
        with (
            serving(tmp_path, tmp_path / "live.sock") as server,
            writer.writing(),
            socket.create_connection(("127.0.0.1", server.port)) as line,
        ):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            line.settimeout(60)
            line.sendall(f"GET /api/logs/{name} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
            head = line.recv(4096)
            assert head.startswith(b"HTTP/1.1 200")
            got = len(head)
            for _ in range(40):
                got += len(line.recv(2048))
                writer.wait_for(1)
        size = log.path.stat().st_size
        figures.note(
            f"{size / 1e6:.0f} MB written, {got / 1e3:.0f} kB downloaded at the same time,"
            f" write-ahead log max {writer.longest_wal / 1e6:.1f} MB"
        )
        assert got < 1_000_000, "the download is far from its end"
        assert writer.longest_wal < 2 * copying.MAX_WAL_BYTES < size


def test_f16_a_copy_slower_than_the_recorder_does_not_make_the_wal_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    """On a slow card the copy switches from pages to rows, and the write-ahead log can be reset between them."""
    monkeypatch.setattr(copying, "_next_slice_rows", lambda _rows, _held_s, _grown_bytes: 10_000)
    shares, wals = list[float](), list[int]()
    with being_recorded(tmp_path / "a.db", 250_000) as log:

        def write_more(done: float) -> None:
            shares.append(done)
            for _ in range(2):
                log.write(large_rows(5_000, 300_000 + 5_000 * len(wals)))
                log.commit()
                wals.append((tmp_path / "a.db-wal").stat().st_size)

        taken = snapshot(log.path, tmp_path / "copy", write_more)
        written = len(wals) * 5_000 * LARGE_BYTES
    assert any(later < earlier for earlier, later in pairwise(shares)), "it started again, as rows"
    figures.note(
        f"a copy slower than the recorder: {written / 1e6:.0f} MB written at the same time,"
        f" write-ahead log max {max(wals) / 1e6:.1f} MB"
    )
    assert written > 2 * max(wals)
    assert max(wals) < copying.MAX_WAL_BYTES + 5 * COMMIT_BYTES
    assert verify(taken.path) == []
