"""`stagelog fetch` as a user calls it, against the real server: new, grown, cut off, resumed, refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from logger.logfile.verify import verify
from logger.transfer import ledger
from tests.field_failures.recorder_process import until
from tests.figures import Figures
from tests.logger.command_line import ENVIRONMENT, Ended, stagelog
from tests.logger.crew.serving import EVERYWHERE, PIN, Served, serving
from tests.logger.transfer.cut_line import CutLine
from tests.logger.transfer.logs_made import being_recorded, closed, content, large, large_rows, rows

NAME = "stage-1-001.db"


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    folder = tmp_path / "laptop"
    folder.mkdir()
    return folder


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "car" / "logs").mkdir(parents=True)
    with serving(tmp_path / "car", tmp_path / "live.sock") as server:
        yield server


def logs_of(tmp_path: Path) -> Path:
    return tmp_path / "car" / "logs"


def fetch(port: int, folder: Path, *options: str, patience: float = 30) -> Ended:
    return stagelog("fetch", f"127.0.0.1:{port}", "--patience", str(patience), *options, folder=folder)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_new_logs_are_fetched_once_and_grown_ones_again(tmp_path: Path, served: Served, laptop: Path) -> None:
    closed(logs_of(tmp_path) / NAME)
    with being_recorded(logs_of(tmp_path) / "stage-2-001.db") as log:
        first = fetch(served.port, laptop)
        assert (first.code, first.complaints) == (0, [])
        assert [line.partition(", ")[2] for line in first.out.splitlines()] == ["whole", "whole"]
        assert names(laptop) == [NAME, "stage-2-001.db"]
        assert (laptop / NAME).read_bytes() == (logs_of(tmp_path) / NAME).read_bytes()
        assert verify(laptop / "stage-2-001.db") == []

        second = fetch(served.port, laptop)
        assert second.out.splitlines() == [f"{NAME}: nothing new", "stage-2-001.db: nothing new"]

        log.write(rows(500, 3000))
        log.commit()
        third = fetch(served.port, laptop)
        assert third.out.splitlines()[0] == f"{NAME}: nothing new"
        assert third.out.splitlines()[1].endswith("whole, grown")
        assert content(laptop / "stage-2-001.db") == content(log.path)
    delivered = {noted.name: noted for noted in ledger.read(tmp_path / "car" / "state")}
    assert (
        delivered["stage-2-001.db"].sha256
        == hashlib.sha256((laptop / "stage-2-001.db").read_bytes()).hexdigest()
    )
    assert set(delivered) == {NAME, "stage-2-001.db"}


def test_logs_by_name(tmp_path: Path, served: Served, laptop: Path) -> None:
    for name in (NAME, "stage-1-002.db", "stage-2-001.db"):
        closed(logs_of(tmp_path) / name, 10)
    assert fetch(served.port, laptop, "--name", "stage-1-*").code == 0
    assert names(laptop) == [NAME, "stage-1-002.db"]
    none = fetch(served.port, laptop, "--name", "stage-9*")
    assert none.code == 74
    assert "no log named stage-9*" in none.complaint


def test_another_log_of_the_same_name_is_stored_beside(tmp_path: Path, served: Served, laptop: Path) -> None:
    closed(logs_of(tmp_path) / NAME, boot_id="boot of one car")
    mine = closed(laptop / NAME, boot_id="boot of another car").read_bytes()
    for expected in ("is another log", "nothing new"):
        done = fetch(served.port, laptop)
        assert (done.code, done.complaints) == (0, [])
        assert expected in done.out
        assert (laptop / NAME).read_bytes() == mine
        (beside,) = [path for path in laptop.iterdir() if path.name != NAME]
        assert beside.read_bytes() == (logs_of(tmp_path) / NAME).read_bytes()
        assert beside.name in done.out or expected == "nothing new"


def test_a_longer_log_is_not_replaced_by_a_shorter_one(tmp_path: Path, served: Served, laptop: Path) -> None:
    closed(logs_of(tmp_path) / NAME, 10)
    mine = closed(laptop / NAME, 500).read_bytes()
    assert fetch(served.port, laptop).out == f"{NAME}: nothing new\n"
    assert (laptop / NAME).read_bytes() == mine


def test_a_log_that_is_damaged_in_the_car_is_kept_as_such(
    tmp_path: Path, served: Served, laptop: Path
) -> None:
    path = closed(logs_of(tmp_path) / NAME, 3000)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 3000] = os.urandom(3000)
    path.write_bytes(data)
    closed(logs_of(tmp_path) / "stage-2-001.db", 10)
    for expected in ("is damaged in the car", "nothing new"):
        done = fetch(served.port, laptop)
        assert done.code == 1
        assert expected in done.out
        assert names(laptop) == [f"{NAME}.damaged", "stage-2-001.db"]
        assert (laptop / f"{NAME}.damaged").read_bytes() == data
    assert set(ledger.reaches(tmp_path / "car" / "state")) == {"stage-2-001.db"}, (
        "a damaged log is not delivered"
    )


def test_the_pin(tmp_path: Path, laptop: Path) -> None:
    closed(logs_of(tmp_path) / NAME, 10)
    with serving(tmp_path / "car", tmp_path / "live.sock", host=EVERYWHERE, pin=PIN) as server:
        missing = fetch(server.port, laptop)
        assert missing.code == 64
        assert "STAGELOG_PIN" in missing.complaint
        wrong = fetch(server.port, laptop, "--pin", "0000-0000")
        assert wrong.code == 64
        assert "not the car's pin" in wrong.complaint
        assert names(laptop) == []
        assert fetch(server.port, laptop, "--pin", PIN).code == 0
        (laptop / NAME).unlink()
        environment = {**ENVIRONMENT, "STAGELOG_PIN": PIN}
        command = [sys.executable, "-m", "logger", "fetch", f"http://127.0.0.1:{server.port}", str(laptop)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        assert names(laptop) == [NAME]


def test_no_server(laptop: Path) -> None:
    done = fetch(9, laptop, patience=0.5)
    assert done.code == 69
    assert "out of reach" in done.complaints[-1]


@pytest.mark.parametrize(
    "url", ["ftp://car", "http://car:99999", "https://car", "http://car/logs", "http://"]
)
def test_an_invalid_address(url: str, laptop: Path) -> None:
    done = stagelog("fetch", url, folder=laptop)
    assert done.code == 64
    assert url in done.complaint


def test_a_line_that_is_cut_repeatedly(
    tmp_path: Path, served: Served, laptop: Path, figures: Figures
) -> None:
    log = large(logs_of(tmp_path) / NAME, 12)
    with CutLine(served.port, cuts=25, max_bytes=1_500_000, seed=4) as line:
        done = fetch(line.port, laptop)
        assert (done.code, done.out.partition(", ")[2]) == (0, "whole\n"), done.err
        assert line.cuts == 25
        again = line.forwarded - log.stat().st_size
        figures.note(
            f"fetch: cut {line.cuts} times; {again / 1000:.0f} kB more than the log's {log.stat().st_size / 1e6:.1f} MB"
        )
        assert again < log.stat().st_size / 2, "it was not fetched again from the beginning"
    assert (laptop / NAME).read_bytes() == log.read_bytes()
    assert names(laptop) == [NAME]


def test_a_phones_hotspot(tmp_path: Path, served: Served, laptop: Path) -> None:
    """20 kB/s, cut about every 40 kB, with the default limits."""
    log = closed(logs_of(tmp_path) / NAME, 3000)
    with CutLine(served.port, cuts=6, max_bytes=80_000, seed=5, bytes_s=20_000) as line:
        done = fetch(line.port, laptop, patience=10)
    assert (done.code, done.out.partition(", ")[2]) == (0, "whole\n"), done.err
    assert line.cuts == 6
    assert (laptop / NAME).read_bytes() == log.read_bytes()


def begin_and_kill(port: int, laptop: Path, least_bytes: int) -> Path:
    """Kill a fetch when part of the log is there, and it can never be complete; returns the part."""
    silent_at = least_bytes + 2_000_000  # bytes in the fetch's memory are not in its file
    with CutLine(port, cuts=0, max_bytes=1, seed=1, silent_at=silent_at) as line:
        command = [sys.executable, "-m", "logger", "fetch", f"http://127.0.0.1:{line.port}", str(laptop)]
        process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        try:
            until(lambda: any(part.stat().st_size >= least_bytes for part in laptop.glob("*.part")), 120)
        finally:
            process.kill()
            process.wait()
    (part,) = laptop.glob("*.part")
    assert not (laptop / NAME).exists()
    return part


def test_a_fetch_resumes_where_a_killed_one_stopped_also_after_a_restart_of_the_car(
    tmp_path: Path, laptop: Path, figures: Figures
) -> None:
    with being_recorded(logs_of(tmp_path) / NAME) as log:
        for first in range(0, 200_000, 100_000):
            log.write(large_rows(100_000, 10_000 + first))
            log.commit()
        with serving(tmp_path / "car", tmp_path / "live.sock") as server:
            part = begin_and_kill(server.port, laptop, 5_000_000)
            had, version = part.stat().st_size, part.name.split(".")[-2]
        log.write(large_rows(10, 10**9))
        log.commit()
        with serving(tmp_path / "car", tmp_path / "live.sock") as server:
            with CutLine(server.port, cuts=0, max_bytes=1, seed=1) as line:
                assert fetch(line.port, laptop).code == 0
                size = (laptop / NAME).stat().st_size
                assert line.forwarded < size - had + 20_000, "only the rest was sent"
            figures.note(
                f"fetch after a kill: {had / 1e6:.1f} of {size / 1e6:.1f} MB were there,"
                f" {line.forwarded / 1e6:.1f} came"
            )
            assert hashlib.sha256((laptop / NAME).read_bytes()).hexdigest() == version
            assert names(laptop) == [NAME]
            assert fetch(server.port, laptop).out.endswith("whole, grown\n"), "the rows since then"


def test_when_the_car_no_longer_has_the_begun_version(tmp_path: Path, laptop: Path) -> None:
    with being_recorded(logs_of(tmp_path) / NAME) as log:
        left = laptop / f"{NAME}.{'ab' * 32}.part"
        left.write_bytes(b"of a version that is gone")
        with serving(tmp_path / "car", tmp_path / "live.sock") as server:
            done = fetch(server.port, laptop)
            assert done.code == 0
            assert "from the beginning" in done.complaint
            assert names(laptop) == [NAME]
            assert content(laptop / NAME) == content(log.path)


def test_a_locally_damaged_part_is_fetched_again(tmp_path: Path, served: Served, laptop: Path) -> None:
    log = closed(logs_of(tmp_path) / NAME)
    data = log.read_bytes()
    version = hashlib.sha256(data).hexdigest()
    (laptop / f"{NAME}.{version}.part").write_bytes(os.urandom(100) + data[100:5000])
    done = fetch(served.port, laptop)
    assert (done.code, (laptop / NAME).read_bytes()) == (0, data)
    assert "does not match the announced digest" in done.complaint
    (laptop / NAME).unlink()
    (laptop / f"{NAME}.{version}.part").write_bytes(data)
    assert fetch(served.port, laptop).code == 0, "all of it was there already"
    assert names(laptop) == [NAME]


def test_two_fetches_do_not_write_into_one_file(tmp_path: Path, served: Served, laptop: Path) -> None:
    import fcntl

    data = closed(logs_of(tmp_path) / NAME).read_bytes()
    part = laptop / f"{NAME}.{hashlib.sha256(data).hexdigest()}.part"
    with part.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = fetch(served.port, laptop)
        assert done.code == 1
        assert "another fetch" in done.out


def test_a_full_laptop(tmp_path: Path, served: Served, laptop: Path) -> None:
    import resource

    large(logs_of(tmp_path) / NAME, 3)
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))  # noqa: E731
    done = stagelog("fetch", f"127.0.0.1:{served.port}", folder=laptop, before=limit)
    assert done.code == 74
    assert "File too large" in done.complaint
    assert fetch(served.port, laptop).code == 0
    assert names(laptop) == [NAME]


class EvilCar(BaseHTTPRequestHandler):
    """A server that lists paths outside the folder and sends other data than announced."""

    listed: Any = None

    def do_GET(self) -> None:
        body = json.dumps({"logs": self.listed}).encode() if self.path == "/api/logs" else b"evil"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", f'"{"00" * 32}"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("listed", "code"),
    [
        ([{"name": "../../evil.db"}, {"name": "/tmp/evil.db"}, {"name": ".ssh.db"}, {"name": "a/b.db"}], 0),  # noqa: S108
        ([{"name": "x\x1b[2J.db"}, {"name": "evil.sh"}, {"name": ""}, {"name": 5}, {"name": "a\0.db"}], 0),
        ("nonsense", 69),
        ([5], 69),
        ([{}], 69),
        ([{"name": "a.db", "identity": [], "session": "x", "t_us": None, "rows": {}}], 1),
        ([{"name": "a.db", "identity": "../x", "session": 1, "t_us": 1, "rows": 10**400}], 1),
    ],
)
def test_a_malicious_car(listed: Any, code: int, laptop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EvilCar, "listed", listed)
    with ThreadingHTTPServer(("127.0.0.1", 0), EvilCar) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            done = fetch(server.server_address[1], laptop, patience=30)
        finally:
            server.shutdown()
            thread.join()
    assert done.code == code, done
    assert names(laptop) == []
    assert names(laptop.parent) == ["laptop"]


def test_a_server_that_is_no_crew_page_is_named(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        ended = stagelog("fetch", url, ".", "--patience", "0", folder=tmp_path)
        server.shutdown()
    assert (
        ended.complaint
        == f"stagelog: {url}: the server answers 501; check that the address is that of a crew page"
    )
    assert ended.code == 74
