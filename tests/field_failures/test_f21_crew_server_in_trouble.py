"""F21: a crew server that is killed, hangs or floods the live socket costs the recorder no row."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from logger.logfile.verify import verify
from logger.recorder.live_socket import MAX_COMMANDS_PER_S, MAX_COMMANDS_TOTAL_PER_S
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    numbers,
    query,
    recording,
    stop,
    until,
    write_config,
)
from tests.figures import Figures
from tests.logger.crew.serving import Served, serving
from tests.logger.recorder.driving import Crew

PAGES = 8
RATE = 2000
TROUBLE_S = 3.0
EXECUTED = (
    "SELECT json_extract(detail, '$.arguments.note'), count(*) FROM event WHERE kind = 'command' GROUP BY 1"
)
REFUSED = "SELECT json_extract(detail, '$.count') FROM event WHERE kind = 'commands_refused'"


@contextmanager
def busy(body: object, *arguments: object) -> Iterator[None]:
    """Call `body` repeatedly in a thread during the with block."""
    done = threading.Event()

    def run() -> None:
        while not done.is_set():
            with suppress(OSError):
                body(*arguments)  # type: ignore[operator]

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def flood(path: Path) -> None:
    """Send commands as fast as the socket accepts them, until it stops accepting."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0.5)
        client.connect(str(path))
        while True:
            client.sendall(b'{"command": "mark", "note": "flood"}\n' * 50)


def press(served: Served, is_done: threading.Event) -> None:
    """Send one command from a page, and note if it was executed."""
    answer = served.command({"command": "mark", "note": "page"})
    if answer.status == HTTPStatus.OK and answer.json["ok"]:
        is_done.set()


@contextmanager
def watching(served: Served) -> Iterator[None]:
    """A page that has opened its stream and reads nothing of it."""
    connection = HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request("GET", "/api/live/stream")
    connection.getresponse()
    yield
    connection.close()


def test_f21_a_killed_hung_or_flooding_crew_server_costs_no_row(tmp_path: Path, figures: Figures) -> None:
    live_socket = tmp_path / "live.sock"
    log = tmp_path / "logs" / "test-1-001.db"
    with NumberedBus(RATE) as bus:
        config = write_config(tmp_path, bus.port, stage=1)
        config.write_text(config.read_text() + f'[live]\nsocket = "{live_socket}"\n')
        with recording(config) as process:
            until(has_rows(log, 100))
            (crew := tmp_path / "crew").mkdir()
            with serving(crew, live_socket) as served, ExitStack() as stack:
                until(lambda: served.ask("/api/live").status == 200)
                silent_client = stack.enter_context(socket.socket(socket.AF_UNIX))
                silent_client.connect(str(live_socket))  # it never reads
                for _ in range(PAGES):
                    stack.enter_context(watching(served))
                began = time.monotonic()
                is_pressed = threading.Event()
                with busy(flood, live_socket), busy(press, served, is_pressed):
                    time.sleep(TROUBLE_S)
                    assert is_pressed.wait(60), "no command of the crew passes the flood"
                flooded_s = time.monotonic() - began
                assert served.ask("/api/live").json["recording"]["dropped"] == 0
                served.process.send_signal(signal.SIGSTOP)
                time.sleep(TROUBLE_S)
                served.process.kill()
                served.process.wait()
                sent = len(bus.sent_at)
                until(has_rows(log, sent))
            bus.silence()
            output = stop(process)
    kept = numbers(log)
    assert kept == list(range(kept[0], kept[-1] + 1)), "no frame is missing"
    assert kept[-1] + 1 >= len(bus.sent_at)
    assert verify(log) == []
    assert query(log, "SELECT count(*) FROM event WHERE kind = 'bytes_dropped'") == [(0,)]
    executed = {str(note): int(str(count)) for note, count in query(log, EXECUTED)}
    refused = [int(str(count)) for (count,) in query(log, REFUSED)]
    figures.note(
        f"0 of {len(kept)} frames lost; {sum(executed.values())} commands executed, {sum(refused)} refused"
    )
    assert 0 < executed["flood"] <= MAX_COMMANDS_TOTAL_PER_S * (flooded_s + 2)
    assert executed["page"] <= MAX_COMMANDS_PER_S * (flooded_s + 2)
    assert 0 < len(refused) <= 4 * flooded_s + 4, "one event per flood, not one per command"
    assert "came too fast" in output


def test_f21_a_second_recorder_does_not_take_over_the_live_socket(tmp_path: Path) -> None:
    live_socket = tmp_path / "live.sock"
    folders = [tmp_path / name for name in ("first", "second")]
    with NumberedBus() as bus, NumberedBus() as other, ExitStack() as stack:
        running = []
        for folder, port in zip(folders, (bus.port, other.port), strict=True):
            folder.mkdir()
            config = write_config(folder, port, stage=1)
            config.write_text(config.read_text() + f'[live]\nsocket = "{live_socket}"\n')
            running.append(stack.enter_context(recording(config)))
            until(has_rows(folder / "logs" / "test-1-001.db", 100))
        first, second = running
        (warning,) = [line for line in stop(second).splitlines() if "live socket" in line]
        assert "another recorder serves it" in warning
        with Crew(live_socket) as client:
            assert client.command("mark") is None
        first.kill()
        first.wait()
        assert live_socket.is_socket(), "left behind by a dead process"
        third = stack.enter_context(recording(folders[1] / "stagelog.toml"))
        until(lambda: _answers(live_socket))
        assert "no live socket" not in stop(third)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
