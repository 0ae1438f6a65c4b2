"""No command ends the recorder, neither at the limits of the calendar nor one that triggers a bug."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.protocols.nmea import encode
from logger.recorder.decoder_loop import DecoderLoop
from logger.recorder.inbox import CrewOrder
from tests.field_failures.recorder_process import query, recording, stop, until
from tests.firmware_bridge.simulated_devices import pty
from tests.logger.recorder.driving import Crew
from tests.logger.recorder.test_daemon import configured, log_of

MESSAGES: list[dict[str, Any]] = [
    {"command": "schedule_start", "utc": "0001-01-01T00:00:00+14:00"},
    {"command": "schedule_start", "utc": "9999-12-31T23:59:59-14:00"},
    {"command": "adjust_distance", "metres": 10**400},
    {"command": "set_distance", "km": 10**400},
    {"command": "start_section", "index": 10**400},
    {"command": "stick", "state": "done", "detail": "x" * 1000},
    {"command": "stick", "state": 10**400, "detail": {}},
    {"command": "mark", "note": "\x1b[2J"},
]


def test_a_recorder_survives_every_command(tmp_path: Path) -> None:
    with pty() as receiver, recording(configured(tmp_path, gps=receiver.name)) as recorder:
        with Crew(tmp_path / "live.sock") as crew:
            until(lambda: crew.snapshot()["links"]["gps"]["state"] == "open")
            for n in range(3):  # the time has to be known for a start to be scheduled
                receiver.send(encode(f"GPRMC,09000{n}.00,A,2442.0,N,04600.0,E,0.0,0.0,120126,,,A"))
            until(lambda: crew.snapshot()["utc"] is not None)
            for message in MESSAGES:
                crew.command(message["command"], **{k: v for k, v in message.items() if k != "command"})
            assert crew.command("mark") is None
        assert recorder.poll() is None
        stop(recorder)
    kinds = query(log_of(tmp_path), "SELECT kind FROM event")
    assert ("session_end",) in kinds


def test_a_fault_in_a_command_is_counted_logged_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    events: list[tuple[int, str, Any]] = []

    class Broken:
        def command(self, *_: object) -> None:
            raise ZeroDivisionError("a fault of ours")

        def event(self, t_us: int, kind: str, detail: Any) -> None:
            events.append((t_us, kind, detail))

    decoding = DecoderLoop(Broken(), None, None, {}, [], None)  # type: ignore[arg-type]
    message: list[str | None] = []
    with caplog.at_level(logging.ERROR):
        for t_us in (1, 2):
            decoding._run_command(CrewOrder(t_us, "mark", {}, message.append))
    assert message == ["mark failed in the recorder: see its journal"] * 2
    assert events == [
        (1, "command_failed", {"name": "mark", "count": 1}),
        (2, "command_failed", {"name": "mark", "count": 2}),
    ]
    assert "a fault of ours" in caplog.text
