"""F6: the clock is wrong at boot, and is set while the car drives. Nothing is named, ordered or timed by it."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest

from logger import config as configs
from logger.recording import daemon
from logger.recording.verify import verify
from tests.field_failures.recorder_process import NumberedBus, has_rows, numbers, query, until, write_config
from tests.figures import Figures

PACKAGES = Path(__file__).parents[2]
WALL_CLOCK = re.compile(r"\btime\.time\(|\btime\.time_ns\(|datetime\.now\(|datetime\.utcnow\(|date\.today\(")
BOOTS = (
    datetime(1970, 1, 1, 0, 0, 12, tzinfo=UTC),
    datetime(2038, 2, 1, tzinfo=UTC),
    datetime(2026, 1, 15, tzinfo=UTC),
)


def record_some(config: Path, log: Path, more: int) -> None:
    """The real recorder, in this process, until the log has `more` frames more."""
    before = len(numbers(log)) if log.exists() else 0
    recorder = daemon.Recorder(configs.load(config))
    stop = threading.Event()
    thread = threading.Thread(target=recorder.run, args=(stop,))
    thread.start()
    try:
        until(has_rows(log, before + more))
    finally:
        stop.set()
        thread.join(15)


def test_f06_boots_in_1970_in_the_future_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    log = tmp_path / "logs" / "test-6-001.db"
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=6)
        for boot in BOOTS:

            class Wrong(datetime):
                @classmethod
                def now(cls, tz: tzinfo | None = None, *, at: datetime = boot) -> datetime:  # type: ignore[override]
                    return at

            monkeypatch.setattr(daemon, "datetime", Wrong)
            record_some(config, log, 200)
    assert [path.name for path in log.parent.iterdir()] == [log.name]
    found = numbers(log)
    assert found == sorted(set(found))
    assert [str(row[0])[:4] for row in query(log, "SELECT started_utc FROM session ORDER BY id")] == [
        "1970",
        "2038",
        "2026",
    ]
    assert verify(log) == []
    years = ", ".join(str(boot.year) for boot in BOOTS)
    figures.said(f"boots in {years}: one log, 0 of {len(found)} rows lost, in order")


def test_f06_the_wall_clock_is_read_only_to_be_written_down() -> None:
    readers = {
        str(path.relative_to(PACKAGES))
        for package in ("firmware_bridge", "logger/recording", "logger/stage", "logger/retention")
        for path in (PACKAGES / package).rglob("*.py")
        if WALL_CLOCK.search(path.read_text())
    }
    assert readers <= {
        # `started_utc`, which the schema's documentation says not to trust.
        "logger/recording/daemon.py",
        "logger/recording/replaying.py",
        # What chrony is told is by how much the system's clock is wrong.
        "logger/recording/chrony.py",
    }
