"""UBX mixed with NMEA: one complete fix per epoch, and the same fixes in a replay of the log."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.virtual.receiver import GpsReceiver
from logger.logfile.verify import verify
from logger.replay.replay import Capture
from logger.replay.replay_to_log import replay
from tests.firmware_bridge.virtual.courses import lively

CASES = Path(__file__).parent / "gps"


def replayed(source: Path, folder: Path, **more: Any) -> Path:
    outcome = replay(Capture(source, **more), folder, lambda _share: None)
    assert outcome.log is not None
    assert verify(outcome.log) == []
    return outcome.log


def rows(log: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(log)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(("case", "epochs"), [("ubx-mixed", 60), ("ubx-dense-10hz-nmea-1hz", 20)])
def test_one_fix_per_epoch_with_speed_and_altitude(case: str, epochs: int, tmp_path: Path) -> None:
    log = replayed(CASES / f"{case}.nmea", tmp_path)
    counts = "count(*), count(DISTINCT utc_us), count(lat), count(speed_mps), count(alt_m)"
    assert rows(log, f"SELECT {counts} FROM fix") == [(epochs,) * 5]
    assert rows(log, "SELECT count(*) FROM rejected") == [(0,)]
    again = replayed(log, tmp_path / "again")
    for table in ("fix", "sentence"):
        assert rows(log, f"SELECT * FROM {table}") == rows(again, f"SELECT * FROM {table}")


@pytest.mark.parametrize("nmea", [True, False], ids=["mixed", "alone"])
@pytest.mark.parametrize("hz", [1, 10, 25])
def test_ubx_gives_one_fix_per_epoch_with_accuracy(nmea: bool, hz: int, tmp_path: Path) -> None:
    receiver = GpsReceiver(lively(), hz, nmea=nmea, ubx=True, cold_start_s=5.0)
    epochs = list(receiver.bytes_between(0.0, 40.0))
    capture = tmp_path / "port.ubx"
    capture.write_bytes(b"".join(epoch.data for epoch in epochs))
    log = replayed(capture, tmp_path)
    with_fix = "count(*), count(DISTINCT utc_us), count(accuracy_m), count(alt_m), count(speed_accuracy_mps)"
    ((fixes, *others),) = rows(log, f"SELECT {with_fix} FROM fix WHERE lat IS NOT NULL")
    assert others == [fixes] * 4
    assert abs(fixes - 35 * hz) <= 2
    assert rows(log, "SELECT count(hdop) FROM fix WHERE lat IS NOT NULL") == [(fixes if nmea else 0,)]
    assert rows(log, "SELECT max(accuracy_m), max(alt_accuracy_m), max(speed_accuracy_mps) FROM fix") == [
        (0.9, 1.6, 0.08)
    ]
    again = replayed(log, tmp_path / "again")
    assert rows(log, "SELECT * FROM fix") == rows(again, "SELECT * FROM fix")
