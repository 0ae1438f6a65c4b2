"""What the recorder imports: a Pi pays for every module at each start of the car."""

from __future__ import annotations

import os
import tty
from pathlib import Path

import pytest

from tests.bench.gps import epoch
from tests.field_failures.recorder_process import (
    FRAME_ID,
    NumberedBus,
    has_rows,
    query,
    recording,
    stop,
    until,
    write_config,
)

UNUSED = {
    *("construct", "cantools", "can", "numpy", "rich", "hashlib", "importlib.resources"),
    *("firmware_bridge.devices.can_interface", "firmware_bridge.gps.ubx_reader", "sqlite_utils"),
}
DBC = f'BO_ {FRAME_ID} NUMBER: 8 ECU\n SG_ LOW : 0|16@1+ (1,0) [0|0] "" ECU\n'


def test_a_drive_imports_only_what_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLCAN with a plain DBC, and NMEA: from exec to the end, not only to the first row."""
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    log = tmp_path / "logs" / "test-9-001.db"
    master, slave = os.openpty()
    tty.setraw(slave)
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=9, gps=os.ttyname(slave))
        (tmp_path / "bus.dbc").write_text(DBC)
        config.write_text(config.read_text().replace("baud = 2000000", 'baud = 2000000\ndbc = ["bus.dbc"]'))
        with recording(config) as process:
            until(has_rows(log))
            for number in range(30):
                os.write(master, epoch(number, 10))
            until(
                lambda: all(
                    query(log, f"SELECT count(*) FROM {table}") > [(2,)] for table in ("fix", "reading")
                )
            )
            output = stop(process)
    os.close(master)
    os.close(slave)
    imported = {line.rpartition("|")[2].strip() for line in output.splitlines() if "import time:" in line}
    assert "logger.recorder.daemon" in imported
    assert "firmware_bridge.engine.plain_signals" in imported
    assert imported & UNUSED == set()
