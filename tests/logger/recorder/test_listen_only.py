"""Reports of an adapter without listen-only mode: log, standard error, page, doctor."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_bridge.virtual.adapter import CanAdapter
from firmware_bridge.virtual.device import LiveDevice
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.traffic import Traffic
from logger.doctor.examination import examine
from tests.field_failures.recorder_process import query, until
from tests.firmware_bridge.virtual.courses import lively
from tests.logger.recorder.driving import recorder_here

CONFIG = """\
[log]
directory = "logs"
[live]
socket = "live.sock"
[[can]]
name = "engine"
port = "can"
protocol = "slcan"
baud = 115200
bitrate = 500000
listen_only = {listen_only}
"""


@contextmanager
def adapter_of(dialect: str, folder: Path) -> Iterator[CanAdapter]:
    engine = Engine(lively())
    adapter = CanAdapter(engine, Traffic(engine, rate=300), "slcan", dialect)
    began = time.monotonic()
    device = LiveDevice(
        "can", folder / "can", tick_s=0.01, baud=None, clock=lambda: 300.0 + time.monotonic() - began,
        produce=adapter.bytes_between, answer=adapter.feed, restart=adapter.restart,
    )  # fmt: skip
    device.start()
    try:
        yield adapter
    finally:
        device.stop()


def link_events(folder: Path) -> list[dict[str, str]]:
    log = folder / "logs" / "drive-001.db"
    return [
        json.loads(str(row[0]))
        for row in query(log, "SELECT detail FROM event WHERE kind = 'link' ORDER BY rowid")
    ]


def test_try_records_and_warns_everywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CONFIG.format(listen_only='"try"'))
    with adapter_of("canable2", tmp_path) as adapter:
        with recorder_here(config) as recorder:
            until(lambda: recorder.status().writer.frames > 300)
            link = recorder.status().links["engine"]
            findings = [str(finding) for finding in examine(config, 1.0, threading.Event())]
        assert adapter.been_normal
    warning = "not listening only: this adapter acknowledges frames on the bus"
    assert (link.state, link.warning) == ("open", warning)
    assert warning in link.detail
    assert f"NOTE   port engine: {warning}" in findings
    (opened,) = [event for event in link_events(tmp_path) if event["state"] == "open"]
    assert opened["warning"] == warning
    assert any(record.levelname == "WARNING" and warning in record.getMessage() for record in caplog.records)


def test_true_does_not_open_it_and_reports_why_everywhere(tmp_path: Path) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CONFIG.format(listen_only="true"))
    with adapter_of("canable2", tmp_path) as adapter:
        with recorder_here(config) as recorder:
            until(lambda: [link.state for link in recorder.status().links.values()] == ["normal_only"])
            link = recorder.status().links["engine"]
            findings = [str(finding) for finding in examine(config, 1.0, threading.Event())]
        assert not adapter.been_normal
    line = "a stock CANable 2 cannot listen only, so it is not opened"
    hint = 'set listen_only = "try" or false if it may acknowledge frames on the bus'
    assert link.detail == f"{line}; {hint}"
    assert f"WRONG  port engine: {line}; {hint}" in findings
    assert [event["state"] for event in link_events(tmp_path)] == ["opening", "normal_only"]


def test_an_adapter_that_confirms_records_without_a_warning(tmp_path: Path) -> None:
    config = tmp_path / "stagelog.toml"
    config.write_text(CONFIG.format(listen_only="true"))
    with adapter_of("lawicel", tmp_path) as adapter:
        with recorder_here(config) as recorder:
            until(lambda: recorder.status().writer.frames > 300)
            assert recorder.status().links["engine"].warning == ""
        assert not adapter.been_normal
    assert [event["state"] for event in link_events(tmp_path)] == ["opening", "open"]
