"""`stagelog stick` as a program beside a running recorder: messages, exit codes, the state shown to the crew."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.logfile.verify import verify
from logger.recorder.stick_news import SHOWN_US, SILENT_US, STATES, StickNews
from logger.stick.delivery import FOLDER
from logger.stick.status_client import StatusClient
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    numbers,
    query,
    recording,
    stop,
    until,
)
from tests.logger.transfer.logs_made import closed

S = 1_000_000


def stick_verb(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "logger", "stick", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def configured(folder: Path, port: str = "/dev/null") -> Path:
    path = folder / "stagelog.toml"
    path.write_text(
        f'[log]\ndirectory = "logs"\n[live]\nsocket = "live.sock"\n'
        f'[[can]]\nname = "engine"\nport = "{port}"\nprotocol = "slcan"\nbaud = 115200\n'
    )
    return path


def shown(live_socket: Path) -> dict[str, Any]:
    """The group `stick` of the next snapshot."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.settimeout(60)
        listener.connect(str(live_socket))
        state: dict[str, Any] = json.loads(listener.makefile().readline())["stick"]
        return state


def test_delivery_while_a_recorder_writes(tmp_path: Path, stick: Path) -> None:
    """The open log is on the stick, the recorder continues, and its log and page report the delivery."""
    log = tmp_path / "logs" / "drive-001.db"
    with NumberedBus() as bus, recording(configured(tmp_path, bus.port)) as process:
        until(has_rows(log, 500))
        done = stick_verb(stick, "-c", tmp_path / "stagelog.toml")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[-1].startswith("1 log copied")
        assert verify(stick / FOLDER / log.name) == []
        until(lambda: shown(tmp_path / "live.sock")["state"] == "copied")
        assert shown(tmp_path / "live.sock")["detail"] == done.stdout.splitlines()[-1]
        until(has_rows(log, len(numbers(log)) + 1))
        stop(process)
    states = [
        json.loads(str(detail))["state"]
        for (detail,) in query(log, "SELECT detail FROM event WHERE kind = 'stick' ORDER BY rowid")
    ]
    assert states == ["copying", "copied"]


def test_delivery_without_a_recorder(logs: Path, tmp_path: Path, stick: Path) -> None:
    closed(logs / "a-001.db")
    config = configured(tmp_path)
    assert stick_verb(stick, "-c", config).returncode == 0
    again = stick_verb(stick, "-c", config)
    assert (again.returncode, again.stdout) == (0, "nothing new\n")


def test_wrong_paths_are_one_line_errors(logs: Path, tmp_path: Path, stick: Path) -> None:
    closed(logs / "a-001.db")
    config = configured(tmp_path)
    same = stick_verb(tmp_path, "-c", config)
    assert same.returncode == 64 and "same disk" in same.stderr and same.stderr.count("\n") == 1
    assert not (tmp_path / FOLDER).exists()
    nowhere = stick_verb(tmp_path / "nowhere", "-c", config)
    assert nowhere.returncode == 69 and nowhere.stderr.count("\n") == 1
    assert stick_verb("-c", config).returncode == 2


def test_a_failure_of_one_log_is_exit_1(logs: Path, tmp_path: Path, stick: Path) -> None:
    path = closed(logs / "a-001.db", 20_000)
    closed(logs / "b-001.db")
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(4096))
    done = stick_verb(stick, "-c", configured(tmp_path))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("1 of 2 logs delivered; a-001.db: is damaged")


def test_an_old_state_shows_its_age() -> None:
    news = StickNews()
    assert news.snapshot(0)["state"] is None
    assert news.take(S, {"state": "copying", "detail": "1 of 2"})
    assert not news.take(2 * S, {"state": "copying", "detail": "2 of 2"})
    assert news.snapshot(3 * S) == {"state": "copying", "detail": "2 of 2", "age_s": 1.0}
    assert news.snapshot(2 * S + SILENT_US + 1)["state"] == "failed", (
        "it was killed, or pulled with the stick"
    )
    assert news.take(100 * S, {"state": "done", "detail": "it may be pulled"})
    assert news.snapshot(100 * S + SHOWN_US)["state"] == "done"
    assert news.snapshot(100 * S + SHOWN_US + 1)["state"] is None


json_values = st.none() | st.booleans() | st.integers() | st.text(max_size=400) | st.sampled_from(STATES)


def test_a_full_stick_that_stays_mounted_is_not_a_failure() -> None:
    """`stagelog stick` by hand reports no more than that."""
    news = StickNews()
    news.take(0, {"state": "copied", "detail": "2 logs copied, 8 MB"})
    state = news.snapshot(SILENT_US + S)
    assert state["state"] == "copied"
    assert state["detail"] == "2 logs copied, 8 MB; still mounted: unmount it before you unplug it"


@given(st.dictionaries(st.sampled_from(["state", "detail", "id", "x"]), json_values))
def test_messages_on_the_socket_are_checked(message: dict[str, Any]) -> None:
    news = StickNews()
    try:
        news.take(S, message)
    except ValueError as refusal:
        assert "\n" not in str(refusal)
    else:
        assert message["state"] in STATES and len(news.snapshot(S)["detail"]) <= 300


@pytest.mark.parametrize("answer", [b"", b"nothing\n", b"[]\n" * 3, b'{"answer":"stick"}\n', b"x" * 100_000])
def test_a_silent_peer_on_the_socket_delays_nothing(tmp_path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(tmp_path / "live.sock"))
        other.listen()
        other.settimeout(60)

        def send() -> None:
            connection, _ = other.accept()
            with connection, suppress(OSError):  # the client may have gone: it waits for a second
                connection.sendall(answer)

        thread = threading.Thread(target=send)
        thread.start()
        assert not StatusClient(tmp_path / "live.sock").send("done", "x")
        thread.join()
    assert not StatusClient(tmp_path / "nobody.sock").send("done", "x")
