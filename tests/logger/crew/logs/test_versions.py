"""Versions of logs that downloads refer to: kept over restarts of the server, bounded."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from logger.transfer import ledger
from tests.logger.crew.logs.log_requests import CLOSED, LIVE, get
from tests.logger.crew.serving import serving
from tests.logger.transfer.logs_made import being_recorded, large, rows


def test_a_version_outlives_the_server(place: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    with being_recorded(tmp_path / "logs" / LIVE) as log:
        with serving(tmp_path, place / "live.sock") as server:
            got = get(server, LIVE)
        left = tmp_path / "state" / "copies" / "making-1"
        left.write_bytes(b"when the power went")
        log.write(rows(100, 3000))
        log.commit()
        with serving(tmp_path, place / "live.sock") as server:
            assert not left.exists()
            rest = get(server, LIVE, range="bytes=5000-", if_range=got.headers["etag"])
            assert (rest.status, rest.body) == (206, got.body[5000:])
            newer = get(server, LIVE)
            assert newer.headers["etag"] != got.headers["etag"]


def test_the_number_of_kept_versions_is_bounded(place: Path, tmp_path: Path) -> None:
    from logger.crew import copies

    with being_recorded(tmp_path / "logs" / LIVE) as log, serving(tmp_path, place / "live.sock") as server:
        kept = tmp_path / "state" / "copies"
        for number in range(copies.MAX_COPIES + 2):
            (kept / f"{number:064x}.other-{number}.db").write_bytes(b"x")
            os.utime(kept / f"{number:064x}.other-{number}.db", (time.time(), time.time() - 1000 + number))
        (kept / f"{99:064x}.old.db").write_bytes(b"x")
        os.utime(kept / f"{99:064x}.old.db", (0, time.time() - copies.KEEP_S - 1))
        log.write(rows(1, 3000))
        log.commit()
        assert get(server, LIVE).status == 200
        names = sorted(path.name[64:] for path in kept.iterdir())
        assert names == [".other-3.db", ".other-4.db", ".other-5.db", f".{LIVE}"]


def test_a_damaged_state_file_is_ignored(place: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").symlink_to(place / "logs")
    state = tmp_path / "state"
    state.mkdir()
    for text in (b"", b"[]", b'{"stage-1-001.db": 5}', b"\xff" * 50, b"[" * 100_000):
        (state / "digests.json").write_bytes(text)
        (state / ledger.FILE).write_bytes(text)
        with serving(tmp_path, place / "live.sock") as server:
            assert get(server).status == 200
            assert server.ask("/api/logs").status == 200


def test_an_unwritable_state_folder_is_replaced(place: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").symlink_to(place / "logs")
    (tmp_path / "state").write_text("a file is in the way")
    with serving(tmp_path, place / "live.sock") as server:
        assert get(server, LIVE).status == 200
        assert "cannot be written" in server.output.read_text()


def test_a_missing_log_directory_is_reported(place: Path, tmp_path: Path) -> None:
    with serving(tmp_path, place / "live.sock") as server:
        for path in ("/api/logs", f"/api/logs/{CLOSED}"):
            got = server.ask(path)
            assert got.status == 503
            assert "[log] directory" in got.json["error"]


def test_a_download_is_cut_off_if_its_log_is_resumed(place: Path, tmp_path: Path) -> None:
    """The stage is resumed during the download: no byte of another version follows."""
    path = large(tmp_path / "logs" / "a.db", 30)
    with serving(tmp_path, place / "live.sock") as server:
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.settimeout(60)
            line.sendall(f"GET /api/logs/a.db HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
            first = line.recv(65536)
            os.utime(path)
            received = len(first)
            with pytest.raises(ConnectionResetError):
                while data := line.recv(65536):
                    received += len(data)
                raise ConnectionResetError
        assert received < path.stat().st_size
        assert "is aborted" in server.output.read_text()
        assert ledger.read(tmp_path / "state") == [], "an incomplete download is not delivered"
