"""A CAN interface through the whole recorder: logged, polled over OBD-II, and replayed as port bytes."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.protocols.socketcan import encode
from firmware_bridge.records import BRS_FLAG, ERR_FLAG, FD_FLAG, CanFrame
from logger.config import configuration
from logger.logfile.rows import Rows
from logger.recorder.daemon import Recorder
from logger.recorder.setup import prepare
from logger.replay.replay import Capture, sessions
from tests.firmware_bridge.can_bus import UP, can_bus, down
from tests.firmware_bridge.simulated_devices import eventually

CONFIG = """
[log]
directory = "{folder}/logs"
[live]
socket = "{folder}/live.sock"
[[can]]
name = "engine"
port = "can0"
protocol = "socketcan"
bitrate = 500000
preset = "obd2"
"""
ENGINE_SPEED = (0x0C, b"\x1a\xf8", 1726.0)


def answer(request: bytes) -> CanFrame | None:
    """The answer of an engine that knows only PID 0C to a request frame."""
    number, value, _ = ENGINE_SPEED
    pids = request[8 + 2 : 8 + 1 + request[8]]
    if number in pids:
        return CanFrame(0, 0, 0x7E8, bytes((2 + len(value), 0x41, number, *value, 0, 0, 0)))
    return CanFrame(0, 0, 0x7E8, b"\x06\x41\x00\x00\x10\x00\x00\x00") if 0 in pids else None


def record(folder: Path, more: str, body: Callable[[Recorder], None]) -> sqlite3.Connection:
    """The log of a recorder that runs during `body`."""
    settings = configuration.loads(CONFIG.format(folder=folder) + more, "stagelog.toml", folder)
    recorder = Recorder(settings)
    stop = threading.Event()
    thread = threading.Thread(target=recorder.run, args=(stop,))
    thread.start()
    try:
        body(recorder)
    finally:
        stop.set()
        thread.join(60)
    return sqlite3.connect(folder / "logs" / "drive-001.db")


def rows(log: sqlite3.Connection, kind: str) -> list[dict[str, object]]:
    found = log.execute("SELECT detail FROM event WHERE kind = ? ORDER BY rowid", (kind,))
    return [json.loads(detail) for (detail,) in found]


def test_frames_and_events_of_an_interface_are_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [CanFrame(0, 0, 0x100 + n, bytes([n] * 8)) for n in range(100)]
    sent += [CanFrame(0, 0, 0x123 | FD_FLAG | BRS_FLAG, bytes(64)), CanFrame(0, 0, 0x40 | ERR_FLAG, bytes(8))]

    def drive(recorder: Recorder) -> None:
        eventually(lambda: recorder.status().links.get("engine", None) is not None)
        eventually(lambda: recorder.status().links["engine"].state == "down")
        bus.settings = UP
        eventually(lambda: recorder.status().links["engine"].state == "open")
        bus.send(*sent)
        eventually(lambda: recorder.status().links["engine"].good == len(sent))

    with can_bus(monkeypatch) as bus:
        bus.settings = down()
        log = record(tmp_path, "", drive)
    try:
        found = log.execute("SELECT can_id, data FROM frame ORDER BY rowid").fetchall()
        assert found == [(frame.can_id, frame.data) for frame in sent]
        assert rows(log, "bus_state") == [{"port": "engine", "state": "off", "rx_errors": 0, "tx_errors": 0}]
        assert [link["state"] for link in rows(log, "link")][:3] == ["opening", "down", "open"]
    finally:
        log.close()


def test_the_engine_is_polled_where_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drive(recorder: Recorder) -> None:
        eventually(
            lambda: recorder.status().links["engine"].state == "open" if recorder.status().links else False
        )
        while recorder.status().links["engine"].good < 5:
            if (reply := answer(bus.received())) is not None:
                bus.send(reply)

    with can_bus(monkeypatch) as bus:
        bus.settings = UP
        log = record(tmp_path, "poll = true\nlisten_only = false\n", drive)
    try:
        values = log.execute(
            "SELECT value FROM reading JOIN channel ON channel.id = channel WHERE name = 'rpm'"
        )
        assert {value for (value,) in values} == {ENGINE_SPEED[2]}
    finally:
        log.close()


def test_a_bus_with_nothing_but_error_frames_is_silent() -> None:
    """The alarm for a silent bus counts frames of the bus, not the controller's own error frames."""
    pipeline = prepare(configuration.loads(CONFIG.format(folder="/x"), "stagelog.toml", Path("/"))).pipeline
    pipeline.feed("engine", 1_000_000, encode(CanFrame(0, 0, 0x100, bytes(8))))
    assert pipeline.can_age_s(3_000_000) == 2.0
    pipeline.feed("engine", 4_000_000, encode(CanFrame(0, 0, 0x40 | ERR_FLAG, bytes(8))))
    assert pipeline.can_age_s(5_000_000) == 4.0


def test_bytes_of_an_interface_are_replayed(tmp_path: Path) -> None:
    sent = [CanFrame(1_000 * n, 0, 0x100 + n % 7, bytes([n % 256] * (n % 9))) for n in range(1000)]
    capture = tmp_path / "caught.bin"
    capture.write_bytes(b"".join(map(encode, sent)))
    whole = Rows()
    for session in sessions(Capture(capture, "socketcan", baud=320_000), lambda _: None):
        for part in session.rows:
            whole.frame.extend(part.frame)
    assert [(frame.can_id, frame.data) for frame in whole.frame] == [
        (frame.can_id, frame.data) for frame in sent
    ]
    gaps = [after.t_us - before.t_us for before, after in pairwise(whole.frame)]
    assert sorted(gaps)[len(gaps) // 2] == 1_000, "as stamped"
