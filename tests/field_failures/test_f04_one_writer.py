"""F4: two connections write or checkpoint a log (SQLite's WAL-reset bug needs two)."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from subprocess import run

import pytest

from tests.field_failures.recorder_process import NumberedBus, has_rows, recording, stop, until, write_config
from tests.figures import Figures

WRITE_FLAGS = os.O_WRONLY | os.O_RDWR
PACKAGES = Path(__file__).parents[2]


def open_for_writing(pid: int, path: Path) -> int:
    """How many of a process's descriptors can write a file."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        if link.readlink() == path:
            info = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
            flags = int(next(line for line in info.splitlines() if line.startswith("flags")).split()[1], 8)
            count += bool(flags & WRITE_FLAGS)
    return count


def test_f04_the_recorder_has_one_descriptor_that_can_write(tmp_path: Path, figures: Figures) -> None:
    log = tmp_path / "logs" / "test-4-001.db"
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=4)
        with recording(config) as process:
            until(has_rows(log))
            assert open_for_writing(process.pid, log) == 1
            for verb in (["info", str(log)], ["verify", str(log)], ["logs", str(log.parent)]):
                done = run([sys.executable, "-m", "logger", *verb], capture_output=True, check=False)
                assert done.returncode == 0, done.stderr
            assert open_for_writing(process.pid, log) == 1
            stop(process)
    figures.tried("readers beside a recorder, which alone could write", 3)


def test_f04_every_other_reader_of_ours_cannot_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    from logger.recording import naming, reader, verify

    path = tmp_path / "a-001.db"
    from logger.recording.opening import open_log
    from tests.logger.recording.rows_made import META, START, drive

    log, _ = open_log(path)
    log.begin_session(START, META)
    log.write(drive())
    log.commit()
    real, names = sqlite3.connect, []

    def connect(name: str, *arguments: object, **options: object) -> sqlite3.Connection:
        if name != ":memory:":  # which is nobody's log
            names.append(str(name))
        return real(name, *arguments, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert verify.verify(path) == []
    reader.info(path)
    naming.choose(tmp_path, "a", boot_id="other")
    monkeypatch.undo()
    log.close()
    assert len(names) == 4
    assert all("mode=ro" in name for name in names)
    figures.tried("other connections of ours, all read-only", len(names))


def test_f04_only_the_store_opens_a_log_for_writing() -> None:
    openers = {
        str(path.relative_to(PACKAGES))
        for package in ("firmware_bridge", "logger")
        for path in (PACKAGES / package).rglob("*.py")
        if "sqlite3.connect(" in path.read_text() and "mode=ro" not in path.read_text()
    }
    assert openers == {"logger/recording/store.py"}
