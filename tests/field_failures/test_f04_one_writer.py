"""F4: two connections write or checkpoint a log (SQLite's WAL-reset bug needs two)."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from subprocess import run

import pytest

from logger.demo.simulate import log_path, orders
from logger.logfile.verify import verify
from tests.field_failures.recorder_process import (
    NumberedBus,
    has_rows,
    numbers,
    query,
    recording,
    stop,
    until,
    write_config,
)
from tests.figures import Figures

WRITE_FLAGS = os.O_WRONLY | os.O_RDWR
PACKAGES = Path(__file__).parents[2]


def open_for_writing(pid: int, path: Path) -> int:
    """Number of a process's file descriptors that can write to a file."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # another descriptor, closed meanwhile
            if link.readlink() == path:
                info = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
                flags = int(
                    next(line for line in info.splitlines() if line.startswith("flags")).split()[1], 8
                )
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
                completed = run([sys.executable, "-m", "logger", *verb], capture_output=True, check=False)
                assert completed.returncode == 0, completed.stderr
            assert open_for_writing(process.pid, log) == 1
            stop(process)
    figures.tried("readers during recording, with only the recorder able to write", 3)


def test_f04_a_second_recorder_is_refused(tmp_path: Path, figures: Figures) -> None:
    """With the running recorder's configuration, and with another stage, which has another log."""
    log = tmp_path / "logs" / "test-4-001.db"
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=4)
        (other := tmp_path / "other").mkdir()
        other_config = write_config(other, bus.port, stage=5)
        other_config.write_text(other_config.read_text().replace(f"{other}/logs", f"{tmp_path}/logs"))
        with recording(config) as process:
            until(has_rows(log, 200))
            for second in (config, other_config):
                refused = run(
                    [sys.executable, "-m", "logger", "run", "-c", str(second)],
                    capture_output=True, text=True, check=False, timeout=30,
                )  # fmt: skip
                assert refused.returncode == 69, refused.stderr
                (line,) = refused.stderr.splitlines()
                assert "another recorder writes here; stop that one" in line
            until(has_rows(log, len(numbers(log)) + 200))
            stop(process)
        with recording(config) as process:
            until(lambda: query(log, "SELECT count(*) FROM session") == [(2,)])
            until(has_rows(log, len(numbers(log)) + 200))  # a session begins before signals are handled
            stop(process)
    kept = numbers(log)
    assert kept == sorted(set(kept))
    assert list(log.parent.glob("*.db")) == [log]
    assert query(log, "SELECT session, count(*) FROM event WHERE kind = 'session_begin' GROUP BY 1") == [
        (1, 1),
        (2, 1),
    ]
    assert verify(log) == []
    figures.tried("second recorders, refused with one line and exit code 69", 2)


def test_f04_simulate_and_replay_do_not_write_where_a_recorder_writes(tmp_path: Path) -> None:
    (tmp_path / "caught.nmea").write_text("$GPGLL,5057.970,N,00146.110,E,142451,A*27\r\n" * 10)
    (order, *_) = orders("dakar-2026-11", [], 1, 0, None, tmp_path / "logs")
    simulated = log_path(order)  # which `simulate` would replace
    with NumberedBus() as bus:
        config = write_config(tmp_path, bus.port, stage=4)
        with recording(config) as process:
            until(has_rows(tmp_path / "logs" / "test-4-001.db"))
            simulated.write_bytes(b"not to be touched")
            for verb in (
                ["simulate", "dakar-2026-11", "-o", str(tmp_path / "logs")],
                ["replay", str(tmp_path / "caught.nmea"), "-o", str(tmp_path / "logs")],
            ):
                completed = run(
                    [sys.executable, "-m", "logger", *verb], capture_output=True, text=True, check=False
                )
                assert completed.returncode == 69, completed.stderr
                assert "another recorder writes here; choose another folder" in completed.stderr
            stop(process)
    assert simulated.read_bytes() == b"not to be touched"


def test_f04_readers_open_logs_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: Figures
) -> None:
    from logger.logfile import naming, reader, verify

    path = tmp_path / "a-001.db"
    from logger.logfile.open_or_quarantine import open_log
    from tests.logger.logfile.rows_made import META, START, drive

    log, _ = open_log(path)
    log.begin_session(START, META)
    log.write(drive())
    log.commit()
    real, names = sqlite3.connect, []

    def connect(name: str, *arguments: object, **options: object) -> sqlite3.Connection:
        if name != ":memory:":
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
    figures.tried("other connections, all read-only", len(names))


def test_f04_only_the_store_opens_a_log_for_writing() -> None:
    openers = {
        str(path.relative_to(PACKAGES))
        for package in ("firmware_bridge", "logger")
        for path in (PACKAGES / package).rglob("*.py")
        if "sqlite3.connect(" in path.read_text() and "mode=ro" not in path.read_text()
    }
    assert openers == {"logger/logfile/store.py"}
