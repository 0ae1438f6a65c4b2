"""Epochs of real receivers, sent through a pty into the real recorder: each is one fix."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.field_cases.timed_sentences import bursts
from tests.field_failures.recorder_process import query, until
from tests.firmware_bridge.simulated_devices import Pty
from tests.logger.recorder.driving import recorder_here

CONFIG = """\
[log]
directory = "logs"

[gps]
port = "{port}"
baud = 115200

[live]
socket = "live.sock"
"""


@pytest.mark.load_sensitive  # the sentences of an epoch must be sent as far apart as the receiver sends them
@pytest.mark.parametrize(
    ("case", "hz", "first", "gap_s", "count"),
    [
        ("gap-300ms-gga-rmc", 1, b"GGA", 0.3, 24),
        ("rmc10-gga1", 10, b"RMC", 0.0, 132),
        ("gga-rmc-1ms-apart", 10, b"GGA", 0.0, 120),
    ],
)
def test_the_real_recorder_keeps_every_epoch(
    case: str, hz: int, first: bytes, gap_s: float, count: int, tmp_path: Path
) -> None:
    """Twelve seconds of sentences through a pty into the real recorder."""
    timed = list(bursts(case, hz, first, gap_s))[: count if hz == 1 else 2 * count]
    timed = [(at_s, line) for at_s, line in timed if at_s < 12]
    device = Pty()
    path = tmp_path / "stagelog.toml"
    path.write_text(CONFIG.format(port=os.ttyname(device._slave)), "ascii")

    def send() -> None:
        began = time.monotonic()
        for at_s, line in timed:
            time.sleep(max(0.0, began + at_s - time.monotonic()))
            device.send(line)

    with recorder_here(path) as recorder:
        until(lambda: "gps" in (links := recorder.status().links) and links["gps"].state == "open")
        send()
        until(lambda: recorder.status().links["gps"].good == len(timed))
    device.close()
    (log,) = (tmp_path / "logs").glob("*.db")
    epochs = len({line[7:13] + line[13:16] for _, line in timed if line[3:6] == first})
    assert query(log, "SELECT count(*), count(DISTINCT utc_us), count(speed_mps) FROM fix") == [(epochs,) * 3]
