"""Exports and reviews that the crew server makes of its logs."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
from pathlib import Path

import pytest

from logger.crew import exports
from logger.version import VERSION
from tests.child_processes import children
from tests.field_failures.recorder_process import until
from tests.logger.crew.logs.log_requests import CLOSED, LIVE
from tests.logger.crew.serving import Served, serving
from tests.logger.transfer.logs_made import large


@pytest.mark.parametrize("name", [CLOSED, LIVE])
def test_an_export_is_what_the_verb_writes(served: Served, name: str) -> None:
    got = served.ask(f"/api/logs/{name}/export?format=csv&content=frames")
    assert got.status == 200
    assert len(got.body.splitlines()) == 3004
    assert got.headers["content-disposition"].startswith(f'attachment; filename="{name[:-3]}-frames.csv"')
    assert got.headers["transfer-encoding"] == "chunked"


def test_an_impossible_export_reports_the_reason(served: Served, place: Path) -> None:
    assert served.ask(f"/api/logs/{CLOSED}/export").status == 400
    assert served.ask(f"/api/logs/{CLOSED}/export?format=exe").status == 400
    assert served.ask(f"/api/logs/{CLOSED}/export?format=csv&content=passwords").status == 400
    got = served.ask("/api/logs/garbage.db/export?format=csv")
    assert got.status == 409
    assert got.json["error"].startswith("garbage.db: ")
    assert str(place) not in got.json["error"]
    assert served.ask(f"/api/logs/{CLOSED}/export?format=gpx&content=frames").status == 409


def test_exports_are_limited_and_stop_when_the_client_disconnects(place: Path, tmp_path: Path) -> None:
    large(tmp_path / "logs" / "a.db", 40)
    request = "GET /api/logs/a.db/export?format=csv&content=frames HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n"
    with serving(tmp_path, place / "live.sock") as server:
        lines = []
        for _ in range(exports.MAX_EXPORTS):
            line = socket.create_connection(("127.0.0.1", server.port))
            line.sendall(request.format(server.port).encode())
            lines.append(line)
            until(lambda: len(children(server.process.pid)) == len(lines))
        got = server.ask("/api/logs/a.db/export?format=csv")
        assert (got.status, got.headers["retry-after"]) == (503, "10")
        for line in lines:
            assert line.recv(10) == b"HTTP/1.1 2"
            line.close()
        until(lambda: not children(server.process.pid))


def test_an_export_that_fails_midway_is_an_incomplete_response(place: Path, tmp_path: Path) -> None:
    from http.client import HTTPConnection, IncompleteRead

    large(tmp_path / "logs" / "a.db", 40)
    with serving(tmp_path, place / "live.sock") as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/api/logs/a.db/export?format=csv&content=frames")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read(1000)
        (child,) = children(server.process.pid)
        os.kill(child, signal.SIGKILL)
        with pytest.raises((IncompleteRead, ConnectionResetError)):
            answer.read()
        connection.close()


def test_the_review_page_may_run_no_script_of_this_origin(served: Served, place: Path) -> None:
    for _ in range(2):
        got = served.ask(f"/logs/{CLOSED}/review")
        assert got.status == 200
        assert b"<!doctype html>" in got.body[:50]
        policy = got.headers["content-security-policy"]
        assert "sandbox allow-scripts" in policy
        assert "default-src 'none'" in policy
        assert "allow-same-origin" not in policy
    assert len(list((place / "state" / "reviews").glob("*.html"))) == 1, (
        "the second review comes from the cache"
    )


def test_a_page_of_an_older_software_is_not_served_after_an_update(served: Served, place: Path) -> None:
    reviews = place / "state" / "reviews"
    served.ask(f"/logs/{CLOSED}/review")
    digest = served.ask(f"/api/logs/{CLOSED}").headers["etag"].strip('"')
    older = hashlib.sha256(f"{digest} 0.1.0".encode()).hexdigest()
    names = {page.name for page in reviews.glob("*.html")}
    for name in (digest, older):
        (reviews / f"{name}.html").write_text("by an older software")
    assert b"<!doctype html>" in served.ask(f"/logs/{CLOSED}/review").body[:50]
    assert names == {f"{hashlib.sha256(f'{digest} {VERSION}'.encode()).hexdigest()}.html"}
    for name in (digest, older):
        (reviews / f"{name}.html").unlink()


def test_a_review_of_an_invalid_log_is_refused(served: Served) -> None:
    got = served.ask("/logs/garbage.db/review")
    assert got.status == 409
    assert got.json["error"]
