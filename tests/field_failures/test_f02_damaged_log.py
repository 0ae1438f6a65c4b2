"""F2: a damaged database at start stops the logger."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from logger.recording.opening import open_log
from logger.recording.verify import verify
from tests.field_failures.recorder_process import NumberedBus, has_rows, recording, stop, until, write_config
from tests.figures import Figures
from tests.logger.recording.rows_made import frames, write_log

HEADER_BYTES = 100
"""Of SQLite's file, in which it counts those who open it for writing."""


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
    changed("DELETE FROM _sqlite_migrations"),
    changed("ALTER TABLE session RENAME COLUMN config TO confix"),
    changed("ALTER TABLE frame RENAME COLUMN data TO dat"),
    changed("ALTER TABLE channel RENAME TO chanel"),
    changed("DROP TABLE event"),
    changed("ALTER TABLE meta ADD COLUMN more"),
    changed("CREATE TRIGGER no BEFORE INSERT ON session BEGIN SELECT RAISE(ABORT, 'no'); END"),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_f02_is_set_aside_and_recording_begins(
    tmp_path: Path, damage: Callable[[Path], None], figures: Figures
) -> None:
    log = tmp_path / "logs" / "test-3-001.db"
    log.parent.mkdir()
    damage(log)
    spoiled = log.read_bytes()
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=3)
        with recording(config) as process:
            took_s = until(has_rows(log))
            said = stop(process)
    figures.tried("damaged logs, all set aside and kept as they were")
    figures.measured("recording again after", took_s, "s")
    kept = log.with_name(f"{log.name}.damaged-1").read_bytes()
    assert kept[HEADER_BYTES:] == spoiled[HEADER_BYTES:]
    assert "set aside" in said
    assert verify(log) == []
    shutil.rmtree(log.parent)
