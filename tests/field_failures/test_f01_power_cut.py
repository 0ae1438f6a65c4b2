"""F1: a power cut truncates or corrupts the log.

SIGKILL ends the recorder at random moments. The WAL that is left is also truncated or corrupted, as by a card that
was writing when the voltage dropped. Cuts of a whole machine are in tests/power_cuts.
"""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from logger.logfile.open_or_quarantine import open_log
from logger.logfile.verify import verify
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    integrity,
    numbers,
    query,
    recording,
    stop,
    until,
    write_config,
)
from tests.figures import Figures
from tests.logger.logfile.rows_made import META, START, frames

KILLS = 8
MAX_LOSS_S = 1.0


@pytest.mark.load_sensitive  # what waits for the card in time waits for a processor first
def test_f01_a_kill_loses_at_most_a_second_and_the_same_log_is_resumed(
    tmp_path: Path, figures: Figures
) -> None:
    rng = random.Random(11)
    lost_s: list[float] = []
    log = tmp_path / "logs" / "test-7-001.db"
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=7)
        for _ in range(KILLS):
            before = len(numbers(log)) if log.exists() else 0
            with recording(config) as process:
                until(has_rows(log, before + 1))
                time.sleep(rng.uniform(0.0, 1.5))
                process.kill()
                killed_at = time.monotonic()
                process.wait()
            assert integrity(log) == "ok"
            first_lost = numbers(log)[-1] + 1
            lost_s.append(killed_at - bus.sent_at[first_lost] if first_lost < len(bus.sent_at) else 0.0)
        with recording(config) as process:
            until(has_rows(log, len(numbers(log)) + 1))
            stop(process)
    figures.tried("kills of the recorder", KILLS)
    for seconds in lost_s:
        figures.measured("loss per kill", seconds, "s")
    assert max(lost_s) <= MAX_LOSS_S
    assert query(log, "SELECT count(*) FROM session") == [(KILLS + 1,)]
    assert verify(log) == []


def test_f01_logs_with_torn_wal_tails_open_with_all_whole_commits(tmp_path: Path, figures: Figures) -> None:
    rng = random.Random(12)
    source = tmp_path / "source.db"
    log, _ = open_log(source)
    log.begin_session(START, META)
    for number in range(40):
        log.write(frames(25, first=25 * number))
        log.commit()
    wal = Path(f"{source}-wal").read_bytes()
    kept: list[int] = []
    for trial in range(60):
        copy = tmp_path / f"trial-{trial}.db"
        shutil.copy(source, copy)
        at = rng.randrange(len(wal))
        torn = wal[:at] if trial % 2 else wal[:at] + bytes([wal[at] ^ 0xFF]) + wal[at + 1 :]
        Path(f"{copy}-wal").write_bytes(torn)
        opened, quarantined = open_log(copy)
        assert quarantined is None or not numbers_or_none(quarantined)
        opened.begin_session(START, META)
        opened.write(frames(1, first=1_000_000))
        opened.close()
        assert verify(copy) == []
        recorded = numbers(copy)
        assert recorded[-1] == 1_000_000
        assert recorded[:-1] == list(range(len(recorded) - 1))
        assert len(recorded[:-1]) % 25 == 0
        kept.append(len(recorded) - 1)
    log.abandon()
    figures.tried("torn or corrupted WAL tails, all opened and whole up to a commit", len(kept))
    assert max(kept) > 500


def numbers_or_none(log: Path) -> list[int]:
    """The frame numbers of a log; none if it cannot be read, because it had only a WAL and lost it."""
    try:
        return numbers(log)
    except Exception:  # noqa: BLE001 - a log that cannot be read has no rows
        return []
