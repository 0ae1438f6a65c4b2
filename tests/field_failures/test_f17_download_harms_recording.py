"""F17: a download hangs, eats the memory, begins anew after each cut, or harms the recording."""

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
"""Of the log that is downloaded. STAGELOG_F17_MB=1000 is the whole of what the row asks for, in some minutes."""
START_S = 40.0
MORE_MB = 32
"""What the server may need beyond what it needs at rest: a piece for each client, threads, buffers."""


@pytest.mark.timeout(180 + MEGABYTES)
def test_f17_a_large_log_in_constant_memory_while_recording(tmp_path: Path, figures: Figures) -> None:
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
            with CutLine(server.port, cuts=5, most_bytes=80_000_000, seed=17) as line:
                fetch = ("fetch", f"127.0.0.1:{line.port}", str(laptop))
                done = stagelog(*fetch, folder=tmp_path, patience_s=100 + MEGABYTES)
                assert (done.code, done.out.count(", whole")) == (0, 2), done
                assert line.forwarded < 1.2 * MEGABYTES * 1e6, "it went on where it was cut"
            used_mb = peak_kb(server.process.pid) / 1024 - before_mb
            bus.silence()
            stop(recorder)
    there = numbers(log)
    sent = len(bus.sent_at) - there[0]  # what came before the port was open is nobody's
    lost = sent - len(there)
    figures.note(
        f"{big.stat().st_size / 1e6:.0f} MB over a line cut {line.cuts} times: {used_mb:.1f} MB of memory;"
        f" {sent} frames meanwhile, {lost} lost"
    )
    assert used_mb < MORE_MB
    assert (
        hashlib.sha256((laptop / big.name).read_bytes()).digest() == hashlib.sha256(big.read_bytes()).digest()
    )
    assert there == list(range(there[0], there[0] + sent))
    assert verify(log) == []
