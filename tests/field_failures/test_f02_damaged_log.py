"""F2: a damaged database at start stops the logger."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from logger.logfile import naming
from logger.logfile.open_or_quarantine import begin_log, open_log
from logger.logfile.rows import Rows
from logger.logfile.verify import verify
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    query,
    recording,
    stop,
    until,
    write_config,
)
from tests.figures import Figures
from tests.logger.logfile.rows_made import META, START, frames, write_log
from tests.write_faults.ending import cpu_s

HEADER_BYTES = 100
"""Size of a SQLite file's header, in which opening for writing changes counters."""
WRITE_VERSION_AT, APPLICATION_ID_AT = 18, 68
WITHIN_S = 2.0
"""CPU time that a damaged log may add to a start: time on the wall depends on what else runs."""


def half_written(path: Path) -> None:
    whole = write_log(path, frames(3000)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(2).randbytes(100_000))


def overwritten_pages(path: Path) -> None:
    half_written(path)
    path.write_bytes(path.read_bytes()[:100] + b"\xee" * 8192)


def schema_with_invalid_text(path: Path) -> None:
    log, _ = open_log(path)
    log.close()
    path.write_bytes(path.read_bytes().replace(b"tablemeta", b"table\x82eta", 1))


def wrong_application_id(path: Path) -> None:
    _change_header(write_log(path), APPLICATION_ID_AT, 1)


def database_of_another_program(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def read_only_header(path: Path) -> None:
    _change_header(write_log(path), WRITE_VERSION_AT, 0x80)


def _change_header(log: Path, at: int, bits: int) -> None:
    data = bytearray(log.read_bytes())
    data[at] ^= bits
    log.write_bytes(data)


def log_changed_by(*statements: str) -> Callable[[Path], None]:
    """A log with valid pages whose schema or rows differ from what stagelog writes."""

    def damage(path: Path) -> None:
        connection = sqlite3.connect(write_log(path))
        with connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    damage.__name__ = statements[0]
    return damage


DAMAGES = [
    half_written,
    garbage,
    overwritten_pages,
    schema_with_invalid_text,
    wrong_application_id,
    database_of_another_program,
    read_only_header,
    log_changed_by("DELETE FROM _sqlite_migrations"),
    log_changed_by("ALTER TABLE session RENAME COLUMN config TO confix"),
    log_changed_by("ALTER TABLE frame RENAME COLUMN data TO dat"),
    log_changed_by("ALTER TABLE channel RENAME TO chanel"),
    log_changed_by("DROP TABLE event"),
    log_changed_by("ALTER TABLE meta ADD COLUMN more"),
    log_changed_by("CREATE TRIGGER no BEFORE INSERT ON session BEGIN SELECT RAISE(ABORT, 'no'); END"),
]


@pytest.fixture(scope="module")
def undamaged_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    """CPU time from the start to rows in a new log, in s."""
    folder = tmp_path_factory.mktemp("undamaged")
    with NumberedBus() as bus, recording(write_config(folder, bus.port, stage=3)) as process:
        until(has_rows(folder / "logs" / "test-3-001.db"))
        used_s = cpu_s(process.pid)
        stop(process)
    return used_s


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_f02_a_damaged_log_is_quarantined_and_recording_starts(
    tmp_path: Path, damage: Callable[[Path], None], undamaged_s: float, figures: Figures
) -> None:
    log = tmp_path / "logs" / "test-3-001.db"
    log.parent.mkdir()
    damage(log)
    quarantined = log.with_name(f"{log.name}.damaged-1")
    spoiled = log.read_bytes()
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=3)
        with recording(config) as process:
            took_s = until(lambda: quarantined.exists() and has_rows(log)())
            used_s = cpu_s(process.pid)
            output = stop(process)
    figures.tried("damaged logs, all quarantined and kept unchanged")
    figures.measured("start to recording with a damaged log", took_s, "s")
    assert used_s <= undamaged_s + WITHIN_S
    kept = quarantined.read_bytes()
    assert kept[HEADER_BYTES:] == spoiled[HEADER_BYTES:]
    assert "quarantined as" in output
    assert query(log, "SELECT detail FROM event WHERE kind = 'log_set_aside'") == [
        (f'{{"as":"{quarantined.name}"}}',)
    ]
    assert verify(log) == []
    shutil.rmtree(log.parent)


def test_f02_with_any_damaged_header_byte_recording_starts(tmp_path: Path, figures: Figures) -> None:
    """The log is resumed, quarantined, or kept beside one with the next number; its rows are still there."""
    sound = write_log(tmp_path / "sound.db", frames(300)).read_bytes()
    tried = 0
    for at in range(HEADER_BYTES):
        for value in {sound[at] ^ 0x01, sound[at] ^ 0x80, 0x00, 0xFF} - {sound[at]}:
            folder = tmp_path / f"{at}-{value}"
            folder.mkdir()
            spoiled = folder / "test-3-001.db"
            spoiled.write_bytes(sound[:at] + bytes([value]) + sound[at + 1 :])
            path = naming.choose(folder, "test-3", boot_id=None)
            log, quarantined = begin_log(path, START, META, lambda _aside: Rows())
            log.write(frames(50))
            log.commit()
            log.close()
            kept = (quarantined or spoiled).read_bytes()
            assert len(kept) >= len(sound)
            if quarantined or path != spoiled:
                assert kept[HEADER_BYTES:] == sound[HEADER_BYTES:], (at, value)
            assert verify(path) == [], (at, value)
            shutil.rmtree(folder)
            tried += 1
    figures.tried("values of damaged header bytes, all recorded after", tried)
