"""Frames with times are read rarely, unless a power cut may cost less than such a read gathers."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from firmware_bridge.devices.read_pace import GATHER_S, STAMPED_READ_US
from logger.recorder.commit_schedule import CommitSchedule
from logger.recorder.decoder_loop import _LONGEST_US, ROUND_US
from tests.field_failures.recorder_process import query, until
from tests.firmware_bridge.simulated_devices import pty
from tests.logger.recorder.driving import recorder_here

CONFIG = """\
[log]
directory = "logs"
max_loss_s = {max_loss_s}
[live]
socket = "live.sock"
[[can]]
name = "engine"
port = "{port}"
protocol = "slcan"
baud = 2000000
bitrate = 500000
listen_only = false
"""
FRAMES = 1500


@pytest.mark.parametrize(("max_loss_s", "is_rare"), [(1.0, True), (0.5, True), (0.2, False)])
def test_reads_of_frames_with_times(tmp_path: Path, max_loss_s: float, is_rare: bool) -> None:
    config = tmp_path / "stagelog.toml"
    with pty() as adapter:
        config.write_text(CONFIG.format(port=adapter.name, max_loss_s=max_loss_s))
        with recorder_here(config) as recorder:
            reader, sent, noted = recorder._readers["engine"], 0, set()

            def good() -> int:
                return recorder.status().links["engine"].good

            def send(count: int) -> None:  # one frame per millisecond of the adapter's clock
                nonlocal sent
                adapter.send(b"".join(b"t1232%04X%04X\r" % (n, n) for n in range(sent, sent + count)))
                sent += count
                noted.add(reader._is_stamped)
                time.sleep(count / 1000)

            until(lambda: "engine" in recorder.status().links)
            while not good():  # opening the port discards what came before
                send(1)
            while sent < FRAMES:
                send(10)
            log = next((tmp_path / "logs").glob("*.db"))

            def numbers() -> list[int]:
                return [int(str(text), 16) for (text,) in query(log, "SELECT hex(data) FROM frame")]

            until(lambda: numbers()[-1:] == [sent - 1])
    recorded = numbers()
    assert recorded == list(range(recorded[0], sent))
    assert (True in noted) == is_rare


@pytest.mark.parametrize("max_loss_s", [0.05, 0.1, 0.49, 0.5, 1.0])
def test_rows_have_the_time_of_their_way_to_the_writer(max_loss_s: float) -> None:
    schedule = CommitSchedule(max_loss_s)
    way_us = STAMPED_READ_US + _LONGEST_US if schedule.allows_long_reads else GATHER_S * 1e6 + ROUND_US
    assert 0 < schedule.delay_s(commit_s=0.0, waited_s=0.0) <= max_loss_s - way_us / 1e6
    assert 0 < schedule.delay_s(commit_s=max_loss_s, waited_s=0.0) <= max_loss_s / 2
