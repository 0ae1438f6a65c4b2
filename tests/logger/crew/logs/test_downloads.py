"""The bytes of logs over HTTP: closed, open and quarantined ones, ranges, and what must not be served."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path

import pytest

from logger.logfile.verify import verify
from tests.logger.crew.logs.log_requests import ASIDE, CLOSED, LIVE, get, sha256
from tests.logger.crew.serving import EVERYWHERE, PIN, Answer, Served, serving
from tests.logger.transfer.logs_made import being_recorded, closed, rows


def test_a_closed_log_is_sent_byte_for_byte(served: Served, place: Path) -> None:
    data = (place / "logs" / CLOSED).read_bytes()
    got = get(served)
    assert (got.status, got.body) == (200, data)
    assert got.headers["content-length"] == str(len(data))
    assert got.headers["etag"] == f'"{sha256(data)}"'
    digest = b64encode(hashlib.sha256(data).digest()).decode()
    assert got.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert got.headers["content-disposition"].startswith(f'attachment; filename="{CLOSED}"')
    assert got.headers["x-content-type-options"] == "nosniff"


def test_a_quarantined_log_is_sent_byte_for_byte(served: Served) -> None:
    assert get(served, ASIDE).body == b"what is left of it"
    assert get(served, f"{ASIDE}-wal").body == b"its newest rows"


def test_a_readable_quarantined_log_is_listed_as_damaged(place: Path, tmp_path: Path) -> None:
    whole = closed(tmp_path / "logs" / CLOSED)
    data = whole.read_bytes()
    whole.rename(whole.with_name(ASIDE))
    with serving(tmp_path, place / "live.sock") as server:
        (entry,) = server.ask("/api/logs").json["logs"]
        assert (entry["state"], entry["rows"]) == ("damaged", 3008)
        assert "quarantined" in entry["trouble"]
        assert get(server, ASIDE).body == data


def test_head_has_the_headers_and_no_body(served: Served) -> None:
    head, got = get(served, method="HEAD"), get(served)
    assert (head.status, head.body) == (200, b"")
    assert head.headers == got.headers


def test_a_range_request_returns_that_part(served: Served, place: Path) -> None:
    data = (place / "logs" / CLOSED).read_bytes()
    for text, part in {"bytes=10-19": data[10:20], "bytes=-7": data[-7:], "bytes=100-": data[100:]}.items():
        got = get(served, range=text)
        first = data.index(part) if text != "bytes=-7" else len(data) - 7
        assert (got.status, got.body) == (206, part)
        assert got.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(data)}"
        assert got.headers["content-length"] == str(len(part))


def test_an_invalid_range_returns_the_whole_file_and_one_beyond_the_end_nothing(served: Served) -> None:
    size = int(get(served).headers["content-length"])
    for text in ("bytes=5-1", "bytes=0-1,3-4", "potatoes", "bytes=" + "9" * 5000 + "x"):
        assert get(served, range=text).status == 200
    for text in (f"bytes={size}-", "bytes=" + "9" * 5000 + "-"):
        got = get(served, range=text)
        assert (got.status, got.body) == (416, b"")
        assert got.headers["content-range"] == f"bytes */{size}"


def test_an_etag_selects_the_version(served: Served) -> None:
    tag = get(served).headers["etag"]
    assert get(served, range="bytes=0-9", if_range=tag).status == 206
    assert get(served, range="bytes=0-9", if_range='"other"').status == 200
    assert get(served, range="bytes=0-9", if_range=f"W/{tag}").status == 200
    assert get(served, range="bytes=0-9", if_range="Sun, 22 Nov 2026 00:00:00 GMT").status == 200
    assert get(served, if_match=tag).status == 200
    assert get(served, if_match='"other"').status == 412
    assert get(served, if_match="*").status == 200
    unchanged = get(served, if_none_match=f'"x", {tag}')
    assert (unchanged.status, unchanged.body, unchanged.headers["etag"]) == (304, b"", tag)


def test_an_open_log_is_sent_as_a_consistent_copy(served: Served, tmp_path: Path) -> None:
    got = get(served, LIVE)
    assert got.status == 200
    copy = tmp_path / "copy.db"
    copy.write_bytes(got.body)
    assert verify(copy) == []
    assert got.headers["etag"] == f'"{sha256(got.body)}"'
    # The rest of exactly that version, also if there is a newer one.
    rest = get(served, LIVE, range="bytes=1000-", if_range=got.headers["etag"])
    assert (rest.status, rest.body) == (206, got.body[1000:])


def test_a_range_without_version_continues_the_version_sent_to_this_client(
    place: Path, tmp_path: Path
) -> None:
    """As `curl -C -` requests: the rest of a copy of the open log, and of the log closed since."""
    with serving(tmp_path, place / "live.sock") as server:
        with being_recorded(tmp_path / "logs" / LIVE) as log:
            copy = get(server, LIVE)
            log.write(rows(2000, 3000))
        closed_log = (tmp_path / "logs" / LIVE).read_bytes()
        rest = get(server, LIVE, range="bytes=50-")
        assert (rest.status, rest.headers["etag"]) == (206, copy.headers["etag"])
        assert rest.body == copy.body[50:]
        whole = get(server, LIVE)
        rest = get(server, LIVE, range="bytes=50-")
        assert whole.body == closed_log != copy.body
        assert (rest.status, rest.headers["etag"]) == (206, whole.headers["etag"])
        assert rest.body == closed_log[50:]
    with serving(tmp_path, place / "live.sock") as server:
        assert get(server, LIVE, range="bytes=50-").body == closed_log[50:]


def test_a_client_may_ask_again_instead_of_waiting(place: Path, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    with being_recorded(logs / LIVE, 100_000), serving(tmp_path, place / "none.sock") as server:
        answers: list[Answer] = []
        while not answers or answers[-1].status == 202:
            answers.append(get(server, LIVE, prefer="respond-async"))
            assert len(answers) < 100
        assert answers[-1].status == 200
        assert all(0 <= answer.json["done"] <= 1 for answer in answers[:-1])


@pytest.mark.parametrize("name", ["%C3%89tape%203%20%22a%22.db"])
def test_any_log_name_is_safe_in_the_suggested_file_name(served: Served, name: str) -> None:
    got = get(served, name)
    assert got.status == 200
    assert (
        got.headers["content-disposition"]
        == f"attachment; filename=\"_tape 3 _a_.db\"; filename*=UTF-8''{name}"
    )


@pytest.mark.parametrize(
    "name",
    [
        "..", ".", "../secret.db", "..%2fsecret.db", "%2e%2e%2fsecret.db", "..%5csecret.db", "%2fetc%2fpasswd",
        "link.db", "itself.db", "folder.db", "pipe.db", ".hidden.db", "notes.txt", "stage-1-001.db.damaged-1-shm",
        "stage-1-001.db%00", "stage-1-001.db%00.txt", "stage-1-001.db-wal", "stage-2-001.db-wal", "stage-2-001.db-shm",
        "STAGE-1-001.DB", "*.db", "%", "%ff.db", "a" * 3000 + ".db", "stage-1-001.db/../link.db",
        "....//secret.db", "stage-1-001.db%0d%0aX-Evil:1",
    ],
)  # fmt: skip
def test_only_listed_logs_can_be_downloaded(served: Served, name: str) -> None:
    for path in (f"/api/logs/{name}", f"/api/logs/{name}/export?format=csv", f"/logs/{name}/review"):
        got = served.ask(path)
        assert got.status in (400, 404), path
        assert b"secret" not in got.body
        assert "x-evil" not in got.headers


def test_only_get_and_head_are_allowed(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert get(served, method=method).status == 405
    assert served.ask(f"/api/logs/{CLOSED}/delivered").status == 405
    assert served.ask(f"/api/logs/{CLOSED}/export?format=csv", "POST").status == 405


def test_the_pin_protects_logs_too(place: Path) -> None:
    with serving(place, place / "live.sock", host=EVERYWHERE, pin=PIN) as server:
        paths = ["/api/logs", f"/api/logs/{CLOSED}", f"/api/logs/{CLOSED}/export?format=csv"]
        for path in paths:
            assert server.ask(path).status == 401
            assert server.ask(path, headers={"authorization": f"Bearer {PIN}"}).status == 200
        for path in ("/logs", f"/logs/{CLOSED}/review"):
            assert server.ask(path).headers["location"] == "/login"
        assert server.ask(f"/api/logs/{CLOSED}/delivered", "POST", b"{}").status == 401
        crossed = {"origin": "http://elsewhere.example", "authorization": f"Bearer {PIN}"}
        assert server.ask(f"/api/logs/{CLOSED}/delivered", "POST", b"{}", crossed).status == 403


def test_a_copy_never_uses_the_recorders_free_space(place: Path, tmp_path: Path) -> None:
    """507 with a message; a closed log needs no copy and is still available."""
    (tmp_path / "logs").symlink_to(place / "logs")
    with serving(tmp_path, place / "live.sock", min_free_mb=1_000_000) as server:
        got = get(server, LIVE)
        assert got.status == 507
        assert "too little space" in got.json["error"]
        assert get(server, CLOSED).status == 200
        assert list((tmp_path / "state" / "copies").iterdir()) == []
