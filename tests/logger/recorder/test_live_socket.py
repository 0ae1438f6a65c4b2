"""The live socket: no input and no client stops the recorder or its answers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.virtual.car import VirtualCar
from logger.recorder import live_socket, socket_file
from logger.recorder.live_socket import LiveSocket
from tests.field_failures.recorder_process import query, until
from tests.logger.recorder.driving import START_S, Crew, built_in, recorder_here, set_up

BIG = {"words": "x" * 20_000}
"""A snapshot that fills a socket's buffer after a dozen."""


class Desk:
    """A live socket that records its commands, and answers with an error if one asks for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[dict[str, Any]] = []
        self.refused: list[int] = []
        self.socket = LiveSocket(path, self._take, self.refused.append)

    def _take(self, fields: dict[str, Any], reply: Callable[[str | None], None]) -> None:
        self.heard.append(fields)
        reply(fields.get("fail"))

    def publish(self, **snapshot: Any) -> None:
        """Publish a snapshot."""
        self.socket.publish(lambda: json.dumps(snapshot).encode() + b"\n")


@contextmanager
def serving(path: Path) -> Iterator[Desk]:
    desk = Desk(path)
    thread = threading.Thread(target=desk.socket.run)
    thread.start()
    try:
        yield desk
    finally:
        desk.socket.close()
        thread.join(10)
    assert not thread.is_alive()
    assert not path.exists()


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


# -- lines ------------------------------------------------------------------------------------------------

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


def test_a_client_that_is_too_fast_is_paused_until_silent_and_informed_once(desk: Desk) -> None:
    with Crew(desk.path) as fast, Crew(desk.path) as crew:
        for burst in range(3):
            fast.send(b'{"command": "mark"}\n' * 200)
            assert crew.command("undo") is None, "others are served meanwhile"
            time.sleep(live_socket.PAUSE_S / 2 if burst < 2 else 0)
        answers = [fast.next() for _ in range(live_socket.MAX_COMMANDS_PER_S + 1)]
        heard = sum(fields == {"command": "mark"} for fields in desk.heard)
        assert heard <= 2 * live_socket.MAX_COMMANDS_PER_S  # the burst may have met the end of a second
        *done, notice = answers + [fast.next() for _ in range(heard + 1 - len(answers))]
        assert all(answer["ok"] for answer in done)
        assert notice == {
            "answer": None,
            "ok": False,
            "error": f"too fast: {600 - heard} commands were refused",
        }
        assert desk.refused == [600 - heard]
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


# -- listeners --------------------------------------------------------------------------------------------


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
    with Crew(desk.path) as crew:  # the places are free again
        until(lambda: crew.command("mark") is None)


def test_a_client_that_never_reads_costs_one_snapshot_and_gets_the_newest(desk: Desk) -> None:
    with Crew(desk.path) as sleeper, Crew(desk.path) as crew:
        assert (sleeper.command("mark"), crew.command("mark")) == (None, None)
        for number in range(400):
            desk.publish(number=number, **BIG)
            assert crew.snapshot()["number"] == number
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


# -- the file ---------------------------------------------------------------------------------------------


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


# -- the recorder behind it -------------------------------------------------------------------------------

KEYS: dict[str, str] = {
    "": "utc session recording gps speed_kmh speed_source limit stage section next splits trip engine alarms links",
    "recording": "path rows frames lag_s dropped free_mb ok",
    "gps": "age_s quality satellites hdop lat lon course_deg",
    "limit": "kmh reason over_kmh zone approaching_m age_s",
    "stage": "event number name",
    "section": "index kind name distance_km length_km remaining_km progress elapsed_s average_kmh moving_average_kmh"
    " required_kmh eta_utc estimated age_s",
    "next": "kind name km distance_km age_s",
}
"""The design's live state."""
JUST_BEFORE_CP_S = 9.0
"""From the short stage's start: the checkpoint comes soon, and with it a split."""


def missing(snapshot: dict[str, Any]) -> set[str]:
    """The keys of the design that a snapshot lacks."""
    return {
        f"{group}.{key}"
        for group, keys in KEYS.items()
        for key in keys.split()
        if key not in (snapshot[group] if group else snapshot)
    }


@pytest.fixture
def car() -> Iterator[VirtualCar]:
    with VirtualCar(built_in()[2], start_s=START_S + JUST_BEFORE_CP_S, gps_hz=5, can_rate=300) as car:
        yield car


def test_the_snapshot_has_every_key_from_the_first_on(car: VirtualCar, tmp_path: Path) -> None:
    config = set_up(tmp_path, car)
    with recorder_here(config), Crew(tmp_path / "live.sock") as crew:
        assert missing(crew.snapshot()) == set()
        assert crew.command("start_section") is None
        until(lambda: bool((shot := crew.snapshot())["engine"] and shot["splits"]), 25.0)
        shot = crew.snapshot()
        assert missing(shot) == set()
        assert len(shot["trip"]) == 2
        assert {*shot["links"]} == {"gps", "engine"}
        assert all({"state", "age_s", "good", "bad"} <= link.keys() for link in shot["links"].values())
        assert all({"value", "unit", "age_s"} == value.keys() for value in shot["engine"].values())
        assert all({"name", "km", "elapsed_s", "average_kmh"} <= split.keys() for split in shot["splits"])
        assert crew.command("nonsense") is not None
        assert crew.command("mark", colour="red") is not None


@pytest.mark.load_sensitive  # the car of this process sends late on a loaded machine
def test_listeners_of_every_kind_do_not_change_what_is_recorded(car: VirtualCar, tmp_path: Path) -> None:
    config = set_up(tmp_path, car)
    path = tmp_path / "live.sock"
    with recorder_here(config) as recorder, ExitStack() as stack:
        crew = stack.enter_context(Crew(path))
        for _ in range(10):
            stack.enter_context(Crew(path))  # these never read
        flood = stack.enter_context(Crew(path))
        began = time.monotonic()
        while time.monotonic() < began + 5.0:
            crew.snapshot()
            flood.send(b"\x00garbage\n" * 20)
            while "answer" in flood.next():
                pass
        status = recorder.status()
        log = status.writer.path
        assert status.writer.dropped == 0
        assert status.writer.ok
    (first, last, frames), (fixes,) = (
        query(log, "SELECT min(t_us), max(t_us), count(*) FROM frame")[0],
        query(log, "SELECT count(*) FROM fix")[0],
    )
    seconds = (int(str(last)) - int(str(first))) / 1e6
    assert int(str(frames)) == pytest.approx(300 * seconds, rel=0.05)
    assert int(str(fixes)) == pytest.approx(5 * seconds, abs=3)
    assert car.lost_bytes("gps") == car.lost_bytes("can") == 0


@pytest.mark.parametrize("trouble", ["a file", "no folder"])
def test_recording_continues_without_a_socket(
    car: VirtualCar, tmp_path: Path, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = set_up(tmp_path, car)
    place = tmp_path / "place"
    place.write_text("not to be touched")
    where = place if trouble == "a file" else place / "live.sock"
    config.write_text(config.read_text().replace('"live.sock"', f'"{where}"'))
    with recorder_here(config) as recorder:
        until(lambda: recorder.status().writer.fixes > 3)
    assert any("no live socket" in record.message for record in caplog.records)
    assert place.read_text() == "not to be touched"
