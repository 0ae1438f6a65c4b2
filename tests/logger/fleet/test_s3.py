"""A season on an object store: the S3 protocol over a real connection, to a server on this machine.

As a team would have it: the bucket is in the URL, and who and where in the environment that every S3 tool reads.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from logger.fleet import cluster
from logger.fleet.add import Adder, restore
from logger.fleet.catalogue import entries
from logger.fleet.query import run_query
from logger.fleet.review import judge_in_loop, review, run_of
from logger.fleet.store import Store
from tests.logger.command_line import ENVIRONMENT, stagelog
from tests.logger.fleet.stores import ALL, KILLED, assert_consistent, files
from tests.reserved_port import reserved_port

for package in ("moto", "flask", "s3fs"):
    pytest.importorskip(
        package,
        reason="needs a server that speaks S3, and its client: pip install 'moto[s3]' flask flask-cors s3fs",
    )

BUCKET = "season"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an S3 server with one empty bucket; the environment points to it."""
    output_file = tmp_path_factory.mktemp("server") / "output"
    command = [sys.executable, "-c", "from moto.server import main; main(['-p', '0'])"]
    with output_file.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=ENVIRONMENT)
    try:
        while (address := re.search(r"(http://127\.0\.0\.1:\d+)\s", output_file.read_text())) is None:
            assert process.poll() is None, output_file.read_text()
            time.sleep(0.05)
        with pytest.MonkeyPatch.context() as environment:
            point_to(address[1], environment)
            Store(f"s3://{BUCKET}").files.mkdir(BUCKET)
            yield address[1]
    finally:
        process.terminate()
        process.wait()


def point_to(address: str, environment: pytest.MonkeyPatch) -> None:
    """Set the environment variables of S3 clients, for this process and its children."""
    variables = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "crew",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in variables.items():
        environment.setenv(name, value)
        environment.setitem(ENVIRONMENT, name, value)


@pytest.fixture
def store(server: str) -> Store:
    """An empty store in the bucket."""
    return Store(f"s3://{BUCKET}/{uuid4().hex}")


def test_adding_twice_changes_nothing(store: Store, pair: list[Path], tmp_path: Path) -> None:
    for text in ("added", "already in the store"):
        ended = stagelog("fleet", "add", *pair, "--store", store.url, folder=tmp_path)
        assert (ended.code, ended.out) == (0, "".join(f"{log.name}: {text}\n" for log in pair))
        current = files(store)
        assert len(current) == 2 * (len(ALL) + 1)
        if text == "added":
            first = current
    assert current == first
    assert [entry.car for entry in entries(Store(store.url))] == [71, 72]
    assert restore(store, entries(store)[1], tmp_path).read_bytes() == pair[1].read_bytes()


def test_queries_work(store: Store, pair: list[Path], tmp_path: Path) -> None:
    folder = Store(str(tmp_path / "folder"))
    answers = []
    for place in (folder, store):
        for log in pair:
            Adder(place).add(log)
        with run_query(
            place, "SELECT car, count(*), max(speed_mps) FROM fix GROUP BY car ORDER BY car"
        ) as answer:
            assert answer is not None
            answers.append(answer.read_all().to_pylist())
    assert answers[0] == answers[1]
    assert [row["car"] for row in answers[0]] == [71, 72]


def test_the_review_is_the_same_by_loop_and_by_workers(store: Store, pair: list[Path]) -> None:
    for log in pair:
        Adder(store).add(log)
    run = run_of(store, "rallysafe")
    current = entries(store)
    looped = review(run, current, judge_in_loop, lambda _done: None)
    assert [verdict.error for verdict in looped] == ["", ""]
    first = {name: what[1] for name, what in files(store).items()}
    with cluster.workers(None, 1) as judged:
        assert review(run, current, judged, lambda _done: None) == looped
    assert {name: what[1] for name, what in files(store).items()} == first


@pytest.mark.parametrize("after", [0, 5])
def test_a_killed_run_leaves_a_readable_store_and_a_second_run_completes_it(
    store: Store, pair: list[Path], tmp_path: Path, after: int
) -> None:
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(after), store.url, *map(str, pair)],
        env=ENVIRONMENT,
        check=False,
        capture_output=True,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert_consistent(store)
    assert entries(store) == []
    assert stagelog("fleet", "add", *pair, "--store", store.url, folder=tmp_path).code == 0
    store.files.invalidate_cache()  # cached from before the other process wrote
    assert_consistent(store)
    assert [entry.car for entry in entries(store)] == [71, 72]


def test_a_missing_server_is_a_one_line_error(
    server: str, pair: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reserved_port() as port:
        point_to(f"http://127.0.0.1:{port}", monkeypatch)
        ended = stagelog("fleet", "add", pair[0], "--store", f"s3://{BUCKET}/x", folder=tmp_path)
    assert (ended.code, len(ended.complaints)) == (69, 1)
