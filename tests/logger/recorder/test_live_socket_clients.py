"""The live socket: no input and no client stops its answers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from logger.recorder import live_socket, socket_file
from logger.recorder.live_socket import LiveSocket
from tests.field_failures.recorder_process import until
from tests.logger.recorder.driving import Crew
from tests.logger.recorder.live_desk import Desk, serving

BIG = {"words": "x" * 20_000}
"""A snapshot that fills a socket's buffer after a dozen."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serving(tmp_path / "live.sock") as desk:
        yield desk


def is_disconnected(crew: Crew) -> bool:
    """Whether the other end closes after its last data."""
    try:
        while True:
            crew.next()
    except (AssertionError, ConnectionResetError):
        return True
    except TimeoutError:
        return False


GARBAGE = (
    b"\xff\xfe\x00garbage",
    b"{",
    b"[]",
    b"null",
    b"12",
    b'"mark"',
    b"{}",
    b'{"command": 3}',
    b'{"command": null, "id": 1}',
    b"[" * 4000,
    b'{"a":' * 1500,
    b'{"command": "\xc3\x28"}',
    b'{"command": "mark", "note": "\\ud800"}',
    b'{"command": "adjust_distance", "metres": 1e999}',
    b'{"command": "mark", "id": NaN}',
)


@pytest.mark.parametrize("line", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_answered_and_the_next_command_is_executed(desk: Desk, line: bytes) -> None:
    with Crew(desk.path) as crew:
        crew.send(line + b"\n")
        answer = crew.next()
        assert (answer["answer"], answer["ok"]) == (None, False)
        assert "command" in answer["error"]
        assert crew.command("mark") is None
    assert desk.heard == [{"command": "mark"}]


def test_answers_carry_the_number_and_the_error_of_their_command(desk: Desk) -> None:
    with Crew(desk.path) as crew:
        crew.send(
            b'{"command": "a", "id": "one"}\n\n  \n{"command": "b", "id": [2], "fail": "no \xc3\xa9"}\n'
        )
        assert crew.next() == {"answer": "one", "ok": True}
        assert crew.next() == {"answer": [2], "ok": False, "error": "no é"}


def test_commands_arrive_however_they_are_cut(desk: Desk) -> None:
    with Crew(desk.path) as crew:
        for byte in b'{"command": "mark", "note": "in pieces"}\n{"command":':
            crew.send(bytes([byte]))
        until(lambda: len(desk.heard) == 1)
        crew.send(b' "undo"}\n')
        until(lambda: len(desk.heard) == 2)
    assert desk.heard == [{"command": "mark", "note": "in pieces"}, {"command": "undo"}]


def test_a_line_without_an_end_disconnects_only_its_client(desk: Desk) -> None:
    with Crew(desk.path) as flood, Crew(desk.path) as crew:
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            for _ in range(10_000):
                flood.send(b"x" * 4096)
        assert crew.command("mark") is None
    assert len(desk.heard) == 1


def test_a_disconnect_in_mid_line_does_not_affect_other_clients(desk: Desk) -> None:
    with Crew(desk.path) as crew:
        for _ in range(50):
            with Crew(desk.path) as other:
                other.send(b'{"command": "ma')
        assert crew.command("mark") is None
    assert desk.heard == [{"command": "mark"}]


class Clock:
    """The live socket's clock, which the test sets."""

    def __init__(self) -> None:
        self.now_s = time.monotonic()

    def monotonic(self) -> float:
        return self.now_s


def test_a_client_that_is_too_fast_is_paused_until_silent_and_informed_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_socket, "time", clock := Clock())
    most = live_socket.MAX_COMMANDS_PER_S
    with Crew(desk.path) as fast, Crew(desk.path) as crew:
        for _ in range(3):
            fast.send(b'{"command": "mark"}\n' * 200)
            assert crew.command("undo") is None, "others are served meanwhile"
            clock.now_s += live_socket.PAUSE_S / 4
        for _ in range(2):  # the first look finds the bursts of the pause, the second finds silence
            clock.now_s += live_socket.PAUSE_S
            assert crew.command("undo") is None
        answers = [fast.next() for _ in range(most + 1)]
        assert all(answer["ok"] for answer in answers[:most])
        assert answers[most] == {
            "answer": None,
            "ok": False,
            "error": f"too fast: {600 - most} commands were refused",
        }
        assert sum(fields == {"command": "mark"} for fields in desk.heard) == most
        assert desk.refused == [600 - most]
        assert fast.command("mark") is None, "it is served again"


def test_all_clients_together_are_rate_limited(desk: Desk) -> None:
    began = time.monotonic()
    for _ in range(30):
        with Crew(desk.path) as crew:
            crew.send(b'{"command": "mark"}\n' * live_socket.MAX_COMMANDS_PER_S)
            crew.next()
    until(lambda: len(desk.heard) + sum(desk.refused) == 30 * live_socket.MAX_COMMANDS_PER_S)
    seconds = int(time.monotonic() - began) + 2
    assert len(desk.heard) <= seconds * live_socket.MAX_COMMANDS_TOTAL_PER_S


def test_clients_up_to_the_limit_are_served_and_more_are_refused(desk: Desk) -> None:
    with ExitStack() as stack:
        crews = [stack.enter_context(Crew(desk.path)) for _ in range(20)]
        for crew in crews[: live_socket.MAX_CLIENTS]:
            assert crew.command("mark") is None
        assert all(is_disconnected(crew) for crew in crews[live_socket.MAX_CLIENTS :])
        desk.publish(number=1)
        assert [crew.snapshot() for crew in crews[: live_socket.MAX_CLIENTS]] == [
            {"number": 1}
        ] * live_socket.MAX_CLIENTS
    until(lambda: not desk.socket._clients)
    with Crew(desk.path) as crew:  # the places are free again
        assert crew.command("mark") is None


def test_a_client_that_never_reads_costs_one_snapshot_and_gets_the_newest(desk: Desk) -> None:
    with Crew(desk.path) as sleeper, Crew(desk.path) as crew:
        assert (sleeper.command("mark"), crew.command("mark")) == (None, None)
        for number in range(400):
            desk.publish(number=number, **BIG)
            assert crew.snapshot()["number"] == number
        # The crew may have the last snapshot before the socket's thread has noted that it is sent.
        until(lambda: sum(bool(c.unsent) for c in desk.socket._clients.values()) == 1)
        (held,) = [c for c in desk.socket._clients.values() if c.unsent]
        assert len(held.unsent) + len(held.answers) < 2 * len(BIG["words"])
        seen = [sleeper.snapshot()["number"]]
        while seen[-1] != 399:
            seen.append(sleeper.snapshot()["number"])
        assert seen == sorted(seen)
        assert len(seen) < 50


def test_a_client_that_never_reads_answers_is_disconnected(desk: Desk) -> None:
    with Crew(desk.path) as sleeper, Crew(desk.path) as crew:
        line = json.dumps({"command": "mark", "fail": "no " * 500}).encode() + b"\n"
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            for _ in range(100_000):
                sleeper.send(line)
        assert crew.command("mark") is None


def test_no_snapshot_is_made_without_a_client(desk: Desk) -> None:
    def never() -> bytes:
        raise AssertionError("a snapshot was made")

    desk.socket.publish(never)
    with Crew(desk.path) as crew:
        assert crew.command("mark") is None
    until(lambda: not desk.socket._clients)
    desk.socket.publish(never)


def test_a_stale_socket_is_replaced_and_only_owner_and_group_may_connect(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "live.sock"
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.is_socket()
    with serving(path), Crew(path) as crew:
        assert path.stat().st_mode & 0o777 == socket_file.SOCKET_MODE
        assert crew.command("mark") is None


def test_a_running_recorder_keeps_its_socket(desk: Desk) -> None:
    with Crew(desk.path) as crew:
        assert crew.command("mark") is None
        with pytest.raises(OSError, match="another recorder"):
            LiveSocket(desk.path, lambda fields, reply: None, lambda count: None)
        assert crew.command("mark") is None
    with Crew(desk.path) as late:
        assert late.command("mark") is None
    assert len(desk.heard) == 3


def test_a_file_that_is_not_a_socket_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "live.sock"
    path.write_text("somebody's notes")
    with pytest.raises(OSError, match="not a socket"):
        LiveSocket(path, lambda fields, reply: None, lambda count: None)
    assert path.read_text() == "somebody's notes"
