"""Which logs count as delivered: confirmed ones and those whose last byte was sent."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

from logger.transfer import ledger
from tests.field_failures.recorder_process import until
from tests.logger.crew.logs.log_requests import CLOSED, LIVE, get, sha256
from tests.logger.crew.serving import serving
from tests.logger.transfer.logs_made import large


def test_a_confirmed_log_is_delivered(place: Path, tmp_path: Path) -> None:
    (tmp_path / "logs").symlink_to(place / "logs")
    with serving(tmp_path, place / "live.sock") as server:
        got = get(server, LIVE, stagelog_confirms="1")
        assert ledger.read(tmp_path / "state") == []
        assert not any(entry["delivered"] for entry in server.ask("/api/logs").json["logs"])
        path = f"/api/logs/{LIVE}/delivered"
        for body, status in {
            b'{"sha256": "00"}': 409, b"{}": 400, b"[]": 400, b"nothing": 400, b"x" * 2000: 413,
            json.dumps({"sha256": sha256(got.body)}).encode(): 200,
        }.items():  # fmt: skip
            assert server.ask(path, "POST", body).status == status
        (noted,) = ledger.read(tmp_path / "state")
        assert (noted.size, noted.sha256) == (len(got.body), sha256(got.body))
        listed = {entry["name"]: entry for entry in server.ask("/api/logs").json["logs"]}
        assert listed[LIVE]["delivered"]
        assert (listed[LIVE]["session"], listed[LIVE]["t_us"]) == (noted.session, noted.t_us)
        assert not listed[CLOSED]["delivered"]


def test_a_browser_download_counts_as_delivered_after_its_last_byte(place: Path, tmp_path: Path) -> None:
    path = large(tmp_path / "logs" / "a.db", 20)
    size = path.stat().st_size
    with serving(tmp_path, place / "live.sock") as server:
        get(server, "a.db", method="HEAD")
        get(server, "a.db", range=f"bytes={size - 10}-")
        tag = get(server, "a.db", range=f"bytes=0-{size // 2}").headers["etag"]
        get(server, "a.db", range=f"bytes={size // 2 + 2}-", if_range=tag)
        time.sleep(0.3)
        assert ledger.read(tmp_path / "state") == [], "a byte in the middle is missing"
        get(server, "a.db", range=f"bytes={size // 2 + 1}-", if_range=tag)
        until(lambda: "a.db" in ledger.reaches(tmp_path / "state"))
        assert len(ledger.reaches(tmp_path / "state")["a.db"]) == 1


def test_an_aborted_download_is_not_delivered(place: Path, tmp_path: Path) -> None:
    large(tmp_path / "logs" / "a.db", 20)
    with serving(tmp_path, place / "live.sock") as server:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", server.port)) as line:
                line.sendall(f"GET /api/logs/a.db HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
                line.recv(65536)
        time.sleep(0.5)
        assert ledger.read(tmp_path / "state") == []
        assert server.ask("/api/live").status == 503, "and the server goes on"
