"""`fleet review`: same verdicts as `stagelog review`, in a loop, on local workers and on a scheduler."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow.dataset as datasets
import pytest
from distributed import Client

from firmware_bridge.errors import ConfigurationError
from logger.fleet import cluster
from logger.fleet.add import Adder
from logger.fleet.catalogue import entries
from logger.fleet.review import Judge, Run, judge_in_loop, review, run_of
from logger.fleet.store import Store
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import report_of
from logger.review import json as review_json
from tests.logger.command_line import ENVIRONMENT, Ended, stagelog

DEMO = Path(str(files("logger.demo")))
ARTICLE = ("--results", DEMO / "dakar_2026_results.toml", "--penalties", DEMO / "dakar_2026_penalties.toml")
LENIENT = """
name = "Corrected"
[penalties]
model = "over_time"
over_time_factor = 0.5
"""


def document_of(log: Path, rules: str | None = None) -> dict[str, Any]:
    """The review document of one log."""
    with open_evidence(log, ReviewOptions(rules=rules), lambda _done: None) as (evidence, chosen, connection):
        return review_json.document(report_of(evidence, chosen, connection))


def documents(store: Store, run: Run) -> dict[int, dict[str, Any]]:
    """The documents of a run, by car."""
    by_car = {}
    for entry in entries(store):
        with store.read(f"{run.folder}json/{entry.log}.json") as file:
            by_car[entry.car] = json.load(file)
    return by_car


def assert_published_standings(document: dict[str, Any]) -> None:
    """Assert the published figures of the built-in stage."""
    stage, overall = document["standings"]["dakar-2026"]["tables"]
    assert [row["car"] for row in stage["entries"]] == [501, 502, 503, 504]
    assert [row["gap_s"] for row in stage["entries"]][:3] == [0, 49, 57 + 1800]
    assert stage["entries"][0]["time_s"] == 3 * 3600 + 27 * 60 + 36
    assert [row["car"] for row in overall["entries"]] == [501, 503, 504, 502]
    assert overall["entries"][1]["gap_s"] == 4 * 3600
    assert overall["entries"][3]["penalty_s"] == 24 * 3600
    assert document["standings"]["dakar-2026"]["remarks"] == []


@pytest.fixture(scope="module")
def rally(three_cars: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the logs of the three cars of stage 11."""
    store = Store(str(tmp_path_factory.mktemp("rally")))
    for log in three_cars:
        Adder(store).add(log)
    return store


@pytest.fixture
def own(rally: Store, tmp_path: Path) -> Store:
    """A writable copy of `rally`."""
    return Store(str(shutil.copytree(rally.root, tmp_path / "rally")))


def season(store: Store, *options: str | Path) -> Ended:
    """Run `stagelog fleet review`."""
    return stagelog("fleet", "review", "--store", store.url, *ARTICLE, *options, folder=Path(store.root))


def everything(store: Store) -> dict[str, bytes]:
    """Content of every file written by reviews."""
    root = Path(store.root) / "review"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def by_loop(rally: Store) -> dict[str, bytes]:
    """Files written by a review in a loop."""
    ended = season(rally, "--workers", "0", "--json")
    assert ended.code == 0, ended.err
    assert_published_standings(json.loads(ended.out))
    return everything(rally)


def test_a_loop_gives_the_published_standings_and_the_review_of_each_log(
    rally: Store, by_loop: dict[str, bytes], three_cars: list[Path]
) -> None:
    assert "recorded/season.json" in by_loop
    by_car = documents(rally, run_of(rally, None))
    assert list(by_car) == [501, 502, 503]
    for log, document in zip(three_cars, by_car.values(), strict=True):
        assert document == json.loads(json.dumps(document_of(log)))
    ended = stagelog("review", three_cars[2], "--json", folder=Path(rally.root))
    assert by_car[503] == json.loads(ended.out)


def test_a_local_cluster_gives_the_same(own: Store, by_loop: dict[str, bytes]) -> None:
    shutil.rmtree(Path(own.root) / "review", ignore_errors=True)
    ended = season(own, "--workers", "2")
    assert (ended.code, ended.complaints) == (0, [])
    assert everything(own) == by_loop
    assert re.search(r"^2 +503 +Sara Price / Sean Berriman.*\+4:00:00", ended.out, re.MULTILINE)


@contextmanager
def process(*arguments: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a Dask scheduler or worker as a user does."""
    command = [sys.executable, "-m", "dask", *arguments]
    started = subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.kill()
        started.communicate()


def address_of(scheduler: subprocess.Popen[str]) -> str:
    """The address that a scheduler prints."""
    assert scheduler.stderr is not None
    for line in scheduler.stderr:
        if match := re.search(r"Scheduler at:\s+(tcp://\S+)", line):
            threading.Thread(target=scheduler.stderr.read, daemon=True).start()
            return match[1]
    raise AssertionError("no scheduler")


def test_a_scheduler_with_two_workers_one_of_them_killed(
    own: Store, by_loop: dict[str, bytes], tmp_path: Path
) -> None:
    shutil.rmtree(Path(own.root) / "review", ignore_errors=True)
    worker = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path))
    with process(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", folder=tmp_path
    ) as scheduler:
        address = address_of(scheduler)
        with (
            process("worker", address, *worker, "--name", "first", folder=tmp_path) as first,
            process("worker", address, *worker, "--name", "second", folder=tmp_path),
            Client(address, set_as_default=False) as client,
        ):
            client.wait_for_workers(2, timeout=300)
            first.send_signal(signal.SIGSTOP)  # it keeps the task that it gets
            killed_at_work = threading.Event()
            assassin = threading.Thread(target=_kill_at_work, args=(client, first, killed_at_work))
            assassin.start()
            ended = season(own, "--scheduler", address)
            assassin.join()
    assert killed_at_work.is_set()
    assert first.returncode == -signal.SIGKILL
    assert (ended.code, ended.complaints) == (0, [])
    assert everything(own) == by_loop


def _kill_at_work(client: Client, worker: subprocess.Popen[str], killed: threading.Event) -> None:
    """Send SIGKILL to the worker named "first" as soon as it has a task."""
    known = client.scheduler_info(n_workers=-1)["workers"]
    address = next(at for at, facts in known.items() if facts["name"] == "first")
    until = time.monotonic() + 300
    while time.monotonic() < until:
        if client.processing().get(address):
            os.kill(worker.pid, signal.SIGKILL)
            killed.set()
            return
        time.sleep(0.01)


def verdicts_of(store: Store, run: Run, judge: Judge = judge_in_loop) -> list[Any]:
    """Review all logs of a store."""
    return review(run, entries(store), judge, lambda _done: None)


@pytest.fixture
def short(pair: list[Path], tmp_path: Path) -> Store:
    """A store with the two cars of the short stage."""
    store = Store(str(tmp_path / "short"))
    for log in pair:
        Adder(store).add(log)
    return store


@pytest.mark.parametrize("rules", ["rallysafe", "corrected.toml"])
def test_corrected_rules_give_the_verdicts_of_single_reviews(
    short: Store, pair: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rules: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("corrected.toml").write_text(LENIENT)
    run = run_of(short, rules)
    verdicts = verdicts_of(short, run)
    expected = [document_of(log, rules) for log in pair]
    by_car = documents(short, run)
    assert list(by_car.values()) == json.loads(json.dumps(expected))
    assert [verdict.penalty_s for verdict in verdicts] == [document["penalty_s"] for document in expected]
    assert by_car[71]["penalty_s"] != document_of(pair[0])["penalty_s"] > 0
    overspeed = datasets.dataset(
        short.full(f"{run.folder}overspeed"), format="parquet", partitioning="hive"
    ).to_table()
    assert overspeed["penalty_s"].to_pylist() == [
        over["penalty_s"] for document in expected for over in document["overspeeds"]
    ]
    assert run_of(short, rules).name == run.name != run_of(short, None).name


def test_invalid_rules_are_reported_once(short: Store, tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[penalties]\nmodel = 7\n")
    for rules in (str(tmp_path / "rules.toml"), "nonsense"):
        with pytest.raises(ConfigurationError):
            run_of(short, rules)


def test_a_log_without_its_copy_is_reported_and_the_others_are_reviewed(short: Store) -> None:
    first, second = entries(short)
    short.remove(first.copy)
    lost, other = verdicts_of(short, run_of(short, None))
    assert "add the log again" in lost.error
    assert (other.entry, other.error) == (second, "")
    ended = stagelog("fleet", "review", "--store", short.url, "--workers", "0", folder=Path(short.root))
    assert ended.code == 1
    assert "is not in the store" in ended.complaint
    assert "Driver 72" in ended.out


def test_no_matching_log_is_a_one_line_error(short: Store, tmp_path: Path) -> None:
    ended = stagelog("fleet", "review", "--store", "nothing", folder=tmp_path)
    assert (ended.code, "no such store" in ended.complaint) == (64, True)
    ended = stagelog("fleet", "review", "--store", short.url, "--car", "9", folder=tmp_path)
    assert (ended.code, "no matching log" in ended.complaint) == (64, True)


def test_a_missing_scheduler_is_a_one_line_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "SCHEDULER_TIMEOUT_S", 0.5)
    with (
        pytest.raises(ConnectionError, match="no scheduler answers"),
        cluster.workers("tcp://127.0.0.1:9", None),
    ):
        pass
