"""The command that protects a log: from the live socket to the marker beside the log, and nowhere else."""

from __future__ import annotations

import json
import queue
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from logger.recorder.live_socket import MAX_COMMANDS_PER_S
from logger.recorder.protection import Protection
from logger.retention.log_directory import is_protected
from tests.field_failures.recorder_process import query, recording, stop
from tests.firmware_bridge.simulated_devices import pty
from tests.logger.recorder.driving import Crew
from tests.logger.recorder.test_daemon import configured, log_of

NAME = "stage-1-001.db"


def answer_to(protection: Protection, fields: dict[str, Any]) -> str | None:
    """The reply to a command."""
    replies = queue.Queue[str | None]()
    protection.take(fields, replies.put)
    return replies.get(timeout=60)


def obedient(protection: Protection, name: str, on: bool) -> str | None:
    """The reply to a command once the thread of the last one is over."""
    while (answer := answer_to(protection, {"log": name, "on": on})) and "try again" in answer:
        pass
    return answer


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    for name in (NAME, f"{NAME}.damaged-1", "../outside.db"):
        (folder / name).touch()
    return folder


def test_a_log_is_protected_and_back(logs: Path) -> None:
    changes: list[tuple[str, bool]] = []
    protection = Protection(logs, lambda name, on: changes.append((name, on)))
    for name in (NAME, f"{NAME}.damaged-1"):
        assert obedient(protection, name, on=True) is None
        assert is_protected(logs / name)
        assert obedient(protection, name, on=False) is None
        assert not is_protected(logs / name)
    assert changes == [(NAME, True), (NAME, False), (f"{NAME}.damaged-1", True), (f"{NAME}.damaged-1", False)]


@pytest.mark.parametrize(
    "name", ["../outside.db", "", ".", "stage-2-001.db", f"{NAME}.keep", "x\0.db", "/etc/passwd"]
)
def test_only_a_log_of_the_directory_is_protected(logs: Path, name: str) -> None:
    before = sorted(logs.parent.rglob("*"))
    protection = Protection(logs, lambda *_: pytest.fail("nothing changed"))
    for on in (True, False):
        assert obedient(protection, name, on) == "protect: no such log"
    assert sorted(logs.parent.rglob("*")) == before


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"log": NAME},
        {"on": True},
        {"log": 1, "on": True},
        {"log": NAME, "on": 1},
        {"log": NAME, "on": True, "x": 0},
    ],
    ids=str,
)
def test_a_command_of_another_form_is_refused(logs: Path, fields: dict[str, Any]) -> None:
    protection = Protection(logs, lambda *_: pytest.fail("nothing changed"))
    assert answer_to(protection, fields) == 'protect: a "log" and "on", true or false'


def test_what_the_card_refuses_is_said(logs: Path) -> None:
    (logs / f"{NAME}.keep").mkdir()
    protection = Protection(logs, lambda *_: pytest.fail("nothing changed"))
    answer = obedient(protection, NAME, on=False)
    assert answer is not None
    assert answer.startswith("protect: cannot be written: ")


def test_a_card_that_stalls_delays_nobody(logs: Path) -> None:
    stalls, began = threading.Event(), threading.Event()

    def stall(*_: object) -> None:
        began.set()
        stalls.wait(60)

    protection = Protection(logs, stall)
    first: list[str | None] = []
    protection.take({"log": NAME, "on": True}, first.append)
    assert began.wait(60)
    assert answer_to(protection, {"log": NAME, "on": True}) == (
        "protect: the card is still busy with the last one: try again"
    )
    assert first == []
    stalls.set()
    assert obedient(protection, NAME, on=False) is None
    assert first == [None]


def test_a_fault_of_ours_is_answered(logs: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    protection = Protection(logs, fail)
    assert obedient(protection, NAME, on=True) == "protect: failed in the recorder: see its journal"
    assert "ZeroDivisionError" in caplog.text


def test_the_recorder_protects_the_log_that_it_writes(tmp_path: Path) -> None:
    with pty() as receiver, recording(configured(tmp_path, gps=receiver.name)) as recorder:
        with Crew(tmp_path / "live.sock") as crew:
            name = log_of(tmp_path).name
            for log, error in ((name, None), ("../live.sock", "protect: no such log")):
                while (answer := crew.command("protect", log=log, on=True)) and "try again" in answer:
                    time.sleep(2 / MAX_COMMANDS_PER_S)
                assert answer == error
        assert is_protected(log_of(tmp_path))
        assert recorder.poll() is None
        stop(recorder)
    found = query(log_of(tmp_path), "SELECT detail FROM event WHERE kind = 'log_protected'")
    assert [json.loads(str(detail)) for (detail,) in found] == [{"log": name, "on": True}]
