"""F17: a download hangs, fills the memory, restarts from 0 after each cut, or disturbs the recording."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from logger.logfile.verify import verify
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    numbers,
    recording,
    stop,
    until,
    write_config,
)
from tests.figures import Figures
from tests.logger.command_line import stagelog
from tests.logger.crew.serving import serving
from tests.logger.transfer.cut_line import CutLine
from tests.logger.transfer.logs_made import large
from tests.memory import peak_kb

MEGABYTES = int(os.environ.get("STAGELOG_F17_MB", "220"))
"""Size of the downloaded log. STAGELOG_F17_MB=1000 runs the full test of F17 in some minutes."""
START_S = 40.0
ALLOWED_MB = 32
"""Memory that downloads may add to the idle server: a block per client, threads, buffers."""


@pytest.mark.timeout(180 + MEGABYTES)
def test_f17_a_large_log_is_downloaded_in_constant_memory_during_recording(
    tmp_path: Path, figures: Figures
) -> None:
    big = large(tmp_path / "logs" / "yesterday-001.db", MEGABYTES)
    log = tmp_path / "logs" / "test-17-001.db"
    laptop, car = tmp_path / "laptop", tmp_path / "car"
    car.mkdir()
    with NumberedBus(rate=1000) as bus:
        config = write_config(tmp_path, bus.port, stage=17)
        with (
            recording(config) as recorder,
            serving(car, tmp_path / "x.sock", logs=log.parent) as server,
        ):
            until(has_rows(log), START_S)
            assert server.ask("/api/logs").status == 200
            before_mb = peak_kb(server.process.pid) / 1024
            with CutLine(server.port, cuts=5, max_bytes=80_000_000, seed=17) as line:
                fetch = ("fetch", f"127.0.0.1:{line.port}", str(laptop))
                done = stagelog(*fetch, folder=tmp_path, patience_s=100 + MEGABYTES)
                assert (done.code, done.out.count(", whole")) == (0, 2), done
                assert line.forwarded < 1.2 * MEGABYTES * 1e6, "it resumed at each cut"
            used_mb = peak_kb(server.process.pid) / 1024 - before_mb
            bus.silence()
            stop(recorder)
    recorded = numbers(log)
    sent = len(bus.sent_at) - recorded[0]  # frames from before the port was open do not count
    lost = sent - len(recorded)
    figures.note(
        f"{big.stat().st_size / 1e6:.0f} MB over a line cut {line.cuts} times: {used_mb:.1f} MB of server memory;"
        f" {sent} frames recorded at the same time, {lost} lost"
    )
    assert used_mb < ALLOWED_MB
    assert (
        hashlib.sha256((laptop / big.name).read_bytes()).digest() == hashlib.sha256(big.read_bytes()).digest()
    )
    assert recorded == list(range(recorded[0], recorded[0] + sent))
    assert verify(log) == []
