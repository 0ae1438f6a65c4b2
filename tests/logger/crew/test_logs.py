"""Logs over HTTP: a server process on a real port, closed logs and an open one."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from logger.crew import exports
from logger.export.formats import FORMATS
from logger.logfile.verify import verify
from logger.transfer import ledger
from logger.version import VERSION
from tests.logger.crew.serving import EVERYWHERE, PIN, Answer, Served, serving
from tests.logger.crew.test_server import until
from tests.logger.transfer.logs_made import being_recorded, closed, large, rows

CLOSED, LIVE, ASIDE = "stage-1-001.db", "stage-2-001.db", "stage-1-001.db.damaged-1"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a closed log, an open one, and files that must stay private."""
    folder = tmp_path_factory.mktemp("logs")
    logs = folder / "logs"
    closed(logs / CLOSED)
    (folder / "secret.db").write_bytes(b"secret")
    (logs / "link.db").symlink_to(folder / "secret.db")
    (logs / "itself.db").symlink_to(CLOSED)
    (logs / "folder.db").mkdir()
    (logs / ".hidden.db").write_bytes(b"secret")
    (logs / ASIDE).write_bytes(b"what is left of it")
    (logs / f"{ASIDE}-wal").write_bytes(b"its newest rows")
    (logs / f"{ASIDE}-shm").write_bytes(b"secret")
    (logs / "notes.txt").write_text("secret")
    os.mkfifo(logs / "pipe.db")
    (logs / os.fsdecode(b"\xff\xfe.db")).write_bytes(b"secret")
    (logs / "garbage.db").write_bytes(b"no log at all" * 100)
    (logs / 'Étape 3 "a".db').write_bytes((logs / CLOSED).read_bytes())
    with being_recorded(logs / LIVE):
        yield folder


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[Served]:
    with serving(place, place / "live.sock") as server:
        yield server


def get(served: Served, name: str = CLOSED, method: str = "GET", **headers: str) -> Answer:
    """Request a log; underscores in header names become hyphens."""
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return served.ask(f"/api/logs/{name}", method, headers=sent)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# -- the list -------------------------------------------------------------------------------------------------


def test_the_list_has_only_the_logs(served: Served) -> None:
    found = {entry["name"]: entry for entry in served.ask("/api/logs").json["logs"]}
    assert sorted(found) == ["garbage.db", CLOSED, ASIDE, f"{ASIDE}-wal", LIVE, 'Étape 3 "a".db']
    assert found[CLOSED]["state"] == "closed"
    assert found[LIVE]["state"] == "open"
    assert found["garbage.db"]["state"] == "damaged"
    assert found["garbage.db"]["trouble"]
    assert found[ASIDE]["state"] == found[f"{ASIDE}-wal"]["state"] == "damaged"
    entry = found[CLOSED]
    assert entry["rows"] == 3008
    assert entry["size"] == (served.output.parent / "logs" / CLOSED).stat().st_size
    assert entry["begun_utc"] is None


def test_the_list_reports_each_section_as_driven(place: Path, tmp_path: Path) -> None:
    """Two sections, a power cut in the second, and rows between the sections."""
    from logger.logfile.rows import ProgressRow, Rows
    from logger.logfile.store import Log
    from tests.logger.logfile.rows_made import META, START

    (tmp_path / "logs").mkdir()
    drives: list[list[list[tuple[int | None, float]]]] = [
        [
            [(0, 500.0), (0, 320_000.0), (None, 320_000.0), (1, 100.0), (1, 90_000.0)],
            [(1, 90_010.0), (1, 346_000.0)],
        ],
        [[(None, 5_000.0), (None, 666_000.0)]],
    ]
    for rows_of_sessions in drives:
        log = Log(tmp_path / "logs" / f"stage-{len(rows_of_sessions)}-001.db")
        for rows_of_session in rows_of_sessions:
            log.begin_session(START, META | {"stage": "Bisha"})
            progress = [
                ProgressRow(10**6 * t_s, section, distance_m, 1.0, 20.0, None, 20.0)
                for t_s, (section, distance_m) in enumerate(rows_of_session)
            ]
            log.write(Rows(progress=progress))
        log.close()
    with serving(tmp_path, place / "live.sock") as server:
        for entry in server.ask("/api/logs").json["logs"]:
            assert (entry["stage"], entry["distance_km"]) == ("Bisha", 666.0)


def test_every_available_export_format_is_offered(served: Served) -> None:
    offered = served.ask("/api/logs").json["exports"]
    assert [one["format"] for one in offered] == [name for name in FORMATS if name != "openrally"]
    assert all(one["opens_in"] == FORMATS[one["format"]].opens_in for one in offered)


def test_offering_formats_imports_none_of_their_libraries() -> None:
    code = "import sys, logger.crew.server; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = set(seen.split())
    assert "logger.export.formats" in modules
    assert not modules & {"numpy", "pyarrow", "asammdf", "can", "gpxpy", "cantools"}


# -- the bytes ------------------------------------------------------------------------------------------------


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


# -- what must not be served -------------------------------------------------------------------------------------


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


# -- restarts ----------------------------------------------------------------------------------------------


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


# -- deliveries ---------------------------------------------------------------------------------------


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


# -- other formats and the review -----------------------------------------------------------------------------


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


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    return [
        int(number)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for number in (task / "children").read_text().split()
    ]


def test_exports_are_limited_and_stop_when_the_client_disconnects(place: Path, tmp_path: Path) -> None:
    large(tmp_path / "logs" / "a.db", 40)
    request = "GET /api/logs/a.db/export?format=csv&content=frames HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n"
    with serving(tmp_path, place / "live.sock") as server:
        lines = []
        for number in range(exports.MAX_EXPORTS):
            line = socket.create_connection(("127.0.0.1", server.port))
            line.sendall(request.format(server.port).encode())
            lines.append(line)
            until(lambda number=number: len(children(server.process.pid)) == number + 1)
        got = server.ask("/api/logs/a.db/export?format=csv")
        assert (got.status, got.headers["retry-after"]) == (503, "10")
        for line in lines:
            assert line.recv(10) == b"HTTP/1.1 2"
            line.close()
        until(lambda: children(server.process.pid) == [])


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
