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

HEADER_BYTES = 100
"""Of SQLite's file, in which it counts those who open it for writing."""
WRITE_VERSION_AT, APPLICATION_ID_AT = 18, 68
WITHIN_S = 2.0
"""What a damaged log may cost a start, beyond what it takes anyway."""


def half_written(path: Path) -> None:
    whole = write_log(path, frames(3000)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(2).randbytes(100_000))


def scribbled_over(path: Path) -> None:
    half_written(path)
    path.write_bytes(path.read_bytes()[:100] + b"\xee" * 8192)


def schema_that_is_no_text(path: Path) -> None:
    log, _ = open_log(path)
    log.close()
    path.write_bytes(path.read_bytes().replace(b"tablemeta", b"table\x82eta", 1))


def no_log_by_its_mark(path: Path) -> None:
    _spoil_header(write_log(path), APPLICATION_ID_AT, 1)


def another_programs(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()


def read_only_by_its_header(path: Path) -> None:
    _spoil_header(write_log(path), WRITE_VERSION_AT, 0x80)


def _spoil_header(log: Path, at: int, bits: int) -> None:
    data = bytearray(log.read_bytes())
    data[at] ^= bits
    log.write_bytes(data)


def changed(*statements: str) -> Callable[[Path], None]:
    """A log whose own pages are sound, and say something else than we wrote."""

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
    scribbled_over,
    schema_that_is_no_text,
    no_log_by_its_mark,
    another_programs,
    read_only_by_its_header,
    changed("DELETE FROM _sqlite_migrations"),
    changed("ALTER TABLE session RENAME COLUMN config TO confix"),
    changed("ALTER TABLE frame RENAME COLUMN data TO dat"),
    changed("ALTER TABLE channel RENAME TO chanel"),
    changed("DROP TABLE event"),
    changed("ALTER TABLE meta ADD COLUMN more"),
    changed("CREATE TRIGGER no BEFORE INSERT ON session BEGIN SELECT RAISE(ABORT, 'no'); END"),
]


@pytest.fixture(scope="module")
def undamaged_s(tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long a start takes here until rows are in the log."""
    folder = tmp_path_factory.mktemp("undamaged")
    with NumberedBus() as bus, recording(write_config(folder, bus.port, stage=3)) as process:
        took_s = until(has_rows(folder / "logs" / "test-3-001.db"))
        stop(process)
    return took_s


@pytest.mark.load_sensitive
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_f02_is_set_aside_and_recording_begins(
    tmp_path: Path, damage: Callable[[Path], None], undamaged_s: float, figures: Figures
) -> None:
    log = tmp_path / "logs" / "test-3-001.db"
    log.parent.mkdir()
    damage(log)
    aside = log.with_name(f"{log.name}.damaged-1")
    spoiled = log.read_bytes()
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=3)
        with recording(config) as process:
            took_s = until(lambda: aside.exists() and has_rows(log)())
            said = stop(process)
    figures.tried("damaged logs, all set aside and kept as they were")
    figures.measured("recording again after", took_s, "s")
    assert took_s <= undamaged_s + WITHIN_S
    kept = aside.read_bytes()
    assert kept[HEADER_BYTES:] == spoiled[HEADER_BYTES:]
    assert "set aside" in said
    assert query(log, "SELECT detail FROM event WHERE kind = 'log_set_aside'") == [
        (f'{{"as":"{aside.name}"}}',)
    ]
    assert verify(log) == []
    shutil.rmtree(log.parent)


def test_f02_whatever_byte_of_the_header_is_spoiled_there_is_a_log_to_record_into(
    tmp_path: Path, figures: Figures
) -> None:
    """It goes on, it is set aside, or the next number takes its place; and what was there is still there."""
    sound = write_log(tmp_path / "sound.db", frames(300)).read_bytes()
    tried = 0
    for at in range(HEADER_BYTES):
        for value in {sound[at] ^ 0x01, sound[at] ^ 0x80, 0x00, 0xFF} - {sound[at]}:
            folder = tmp_path / f"{at}-{value}"
            folder.mkdir()
            spoiled = folder / "test-3-001.db"
            spoiled.write_bytes(sound[:at] + bytes([value]) + sound[at + 1 :])
            path = naming.choose(folder, "test-3", boot_id=None)
            log, aside = begin_log(path, START, META, lambda _aside: Rows())
            log.write(frames(50))
            log.commit()
            log.close()
            kept = (aside or spoiled).read_bytes()
            assert len(kept) >= len(sound)
            if aside or path != spoiled:
                assert kept[HEADER_BYTES:] == sound[HEADER_BYTES:], (at, value)
            assert verify(path) == [], (at, value)
            shutil.rmtree(folder)
            tried += 1
    figures.tried("bytes of a log's header spoiled, all recorded from", tried)
