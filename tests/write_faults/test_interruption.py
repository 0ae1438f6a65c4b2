"""Ctrl-C, SIGTERM and SIGHUP end each long verb at once, with their exit code, no message and nothing half made."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.logger.command_line import ENVIRONMENT, stagelog
from tests.logger.review import drives
from tests.logger.transfer.logs_made import large

WITHIN_S = 2.5
"""A second is promised. The machine that tests run on has other work, and an interpreter's exit takes its turns."""
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
BIG_MB = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted")
    large(folder / "big.db", BIG_MB)
    drives.write_log(folder / "other.db", drives.fixes(drives.plan(600), 5))
    assert stagelog("fleet", "add", "other.db", "--store", "store", folder=folder).code == 0
    return folder


@contextmanager
def silent_server() -> Iterator[str]:
    """Accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def begun(
    arguments: Sequence[str], folder: Path, ignoring: signal.Signals | None = None
) -> subprocess.Popen[str]:
    """`stagelog` at the head of a group of its own, as on a terminal."""

    def prepare() -> None:  # whoever runs the tests in the background has Ctrl-C ignored
        for number in CODES:
            signal.signal(number, signal.SIG_IGN if number is ignoring else signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, "-m", "logger", *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=prepare,  # noqa: PLW1509 - no thread here holds a lock that it takes
    )


def ended(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, float, str]:
    """Its exit code, how long the end took, and what it said; Ctrl-C goes to the whole group, as a terminal's does."""
    began_s = time.monotonic()
    (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
    try:
        process.wait(20)
    finally:
        process.kill()
    took_s = time.monotonic() - began_s
    _, said = process.communicate()
    return process.returncode, took_s, said


VERBS: dict[str, tuple[str, str | float]] = {
    "export": ("export big.db --format csv --frames -o OUT/it.csv", "OUT/it.csv.part"),
    "parquet": ("export big.db --format parquet --frames -o OUT/it.parquet", "OUT/it.parquet.part"),
    "replay": ("replay big.db -o OUT", "OUT/*.part"),
    "simulate": ("simulate dakar-2026-11 --car baciuska -o OUT", "OUT/*.part"),
    "verify": ("verify big.db", 0.7),
    "fleet add": ("fleet add big.db --frames --store OUT/store", "OUT/store/.incoming/*"),
    "fleet review": ("fleet review --store store --workers 2", 3.0),
    "fleet query": ("fleet query --store store SQL", 2.5),
    "fetch": ("fetch SERVER OUT", 1.0),
}
"""What is run, and what it is interrupted at: when a file is there, or after so many seconds."""
SQL = "SELECT count(*) FROM fix a, fix b, fix c, fix d"


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("verb", VERBS)
def test_it_ends_at_once(verb: str, number: signal.Signals, folder: Path, tmp_path: Path) -> None:
    line, at = VERBS[verb]
    with silent_server() as server:
        words = {"SQL": SQL, "SERVER": server}
        arguments = [words.get(word, word.replace("OUT", str(tmp_path))) for word in line.split()]
        process = begun(arguments, folder)
        began_s = time.monotonic()

        def is_reached() -> bool:
            if isinstance(at, float):
                return time.monotonic() - began_s > at
            return any(tmp_path.glob(at.removeprefix("OUT/")))

        while process.poll() is None and not is_reached() and time.monotonic() - began_s < 60:
            time.sleep(0.02)
        if process.poll() is None:
            code, took_s, said = ended(process, number)
            assert code == CODES[number], said
            assert said == ""
            assert took_s < WITHIN_S
        else:
            assert verb == "verify", process.communicate()  # a fast machine
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert left == []


def test_what_is_ignored_stays_ignored(folder: Path, tmp_path: Path) -> None:
    """As by nohup."""
    process = begun(
        ("export", "big.db", "--format", "csv", "--frames", "-o", str(tmp_path / "it.csv")),
        folder,
        signal.SIGHUP,
    )
    while not any(tmp_path.iterdir()):
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=100)[1] == ""
    assert process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["it.csv"]


def test_workers_end_with_a_killed_parent(folder: Path, tmp_path: Path) -> None:
    process = begun(("simulate", "dakar-2026-11", "-o", str(tmp_path)), folder)
    while len(list(tmp_path.glob("*.part"))) < 3:
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=20)  # whoever of them lives has the pipes open
    until_s = time.monotonic() + 5
    while any(tmp_path.iterdir()) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["export big.db --format csv --frames", "logs --json", "info big.db"])
def test_a_reader_that_has_enough(line: str, folder: Path) -> None:
    """`| head`."""
    process = begun(line.split(), folder)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as said:
        assert said.read() == ""
    assert process.wait(60) == 141


@pytest.mark.parametrize(
    "line", ["export big.db --format csv --frames", "logs --json", "info big.db", "--help"]
)
def test_a_full_disk_behind_the_standard_output(line: str, folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "logger", *line.split()],
            cwd=folder, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 74
    assert done.stderr.count("\n") == 1
    assert "No space left on device; make room" in done.stderr
