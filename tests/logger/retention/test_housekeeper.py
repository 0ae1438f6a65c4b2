"""The housekeeper's thread: removals, the state that the crew sees, logs that cannot be removed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from logger.logfile import naming
from logger.logfile.open_or_quarantine import open_log
from logger.retention import housekeeper as housekeeping
from logger.retention.housekeeper import Housekeeper, Removed
from logger.retention.log_directory import LogDirectory, delivered, protect
from logger.retention.rule import STAGE_H
from logger.transfer import slow_delete
from tests.field_failures.recorder_process import until
from tests.logger.logfile.rows_made import META, START, frames
from tests.logger.retention.logs_made import deliver, make_log

# -- the housekeeper -----------------------------------------------------------------------------------------


class Card:
    """A card with a given free space; removing a log adds its bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, free: int) -> None:
        self.size = free + sum(path.lstat().st_size for path in folder.iterdir())
        self._folder = folder
        monkeypatch.setattr("shutil.disk_usage", self._usage)

    def _usage(self, _folder: Path) -> os.terminal_size:
        used = sum(path.lstat().st_size for path in self._folder.glob("*.db*"))

        class Usage:
            free = self.size - used

        return Usage()  # type: ignore[return-value]


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[list[Path]]:
    made = [make_log(tmp_path, f"a-00{n}", rows=2000, utc_us=n) for n in (1, 2, 3, 4)]
    for path in made[:3]:
        deliver(tmp_path, path)
    yield made


def keeper(
    folder: Path, min_free: int, in_use: list[Path], removed: list[Removed], **more: bool
) -> Housekeeper:
    return Housekeeper(
        folder,
        min_free,
        last_resort=more.get("last_resort", False),
        delivered=lambda: delivered([folder]),
        in_use=lambda: in_use,
        on_removed=removed.append,
    )


def test_the_thread_removes_the_oldest_and_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Path]
) -> None:
    Card(monkeypatch, tmp_path, free=0)
    monkeypatch.setattr(housekeeping, "CHECK_S", 3600.0)
    removed: list[Removed] = []
    protect(logs[0])
    house = keeper(tmp_path, logs[1].stat().st_size, [logs[3]], removed)
    stop = threading.Event()
    thread = threading.Thread(target=house.run, args=(stop,))
    thread.start()
    try:
        until(lambda: bool(removed))
    finally:
        stop.set()
    thread.join(60)
    assert not thread.is_alive(), "it ends without waiting for the next round"
    assert [(log.name, log.why) for log in removed] == [("a-002.db", "downloaded")]
    assert [path.exists() for path in logs] == [True, False, True, True]
    assert json.loads((tmp_path / naming.REMOVED).read_text()) == {"log": "a-002.db", "why": "downloaded"}


@pytest.mark.parametrize("records", [False, True])
def test_a_log_is_freed_in_steps_without_delaying_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Path], records: bool
) -> None:
    """With pauses for the recorder; without them before the first log. A change of stage is not delayed."""
    Card(monkeypatch, tmp_path, free=0)
    stop, steps = threading.Event(), list[tuple[float, bool, bool]]()
    size = logs[0].stat().st_size
    house = Housekeeper(
        tmp_path,
        size,
        last_resort=False,
        delivered=lambda: delivered([tmp_path]),
        in_use=lambda: [logs[3]],
        on_removed=lambda _removed: stop.set(),
    )
    monkeypatch.setattr(slow_delete, "REMOVE_BYTES", 4096)

    def look(pause_s: float) -> None:
        steps.append((pause_s, logs[0].exists(), house._removing.locked()))

    monkeypatch.setattr(
        slow_delete, "time", SimpleNamespace(sleep=look)
    )  # of this module, not of every thread
    if records:
        house.run(stop)
    else:
        house.before_first_log()
    assert steps == [(slow_delete.REMOVE_PAUSE_S if records else 0.0, False, False)] * ((size - 1) // 4096)


@pytest.mark.parametrize(("last_resort", "left"), [(False, ["a-004"]), (True, [])])
def test_a_log_that_was_not_downloaded_is_removed_only_as_a_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Path], last_resort: bool, left: list[str]
) -> None:
    Card(monkeypatch, tmp_path, free=0)
    house = keeper(tmp_path, 10**9, [], [], last_resort=last_resort)
    removed = house.check(10**9)
    assert [path.stem for path in logs if path.exists()] == left
    assert [each.name for each in removed] == [path.name for path in logs if path.stem not in left]
    assert house.check(10**9) == [], "nothing more during the pause"


def test_the_crew_sees_how_long_the_room_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Path]
) -> None:
    """Downloaded logs count as room: they may be removed."""
    free, size = 1_000_000, logs[0].stat().st_size
    Card(monkeypatch, tmp_path, free)
    house = keeper(tmp_path, 0, [logs[3]], [])
    assert house.room_h is None
    house.check(0)
    assert house.room_h == pytest.approx((free + 3 * size) / (size / STAGE_H), rel=0.01)
    protect(logs[0])
    monkeypatch.setattr(housekeeping, "SURVEY_S", 0.0)
    house.check(0)
    assert house.room_h == pytest.approx((free + 2 * size) / (size / STAGE_H), rel=0.01)


def test_room_follows_the_growth_of_the_present_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Path]
) -> None:
    Card(monkeypatch, tmp_path, 50_000_000)
    monkeypatch.setattr(housekeeping, "MEASURE_S", 0.2)
    house = keeper(tmp_path, 0, [logs[3]], [])
    house.check(0)
    began = time.monotonic()
    log, _ = open_log(logs[3])
    log.begin_session(START, META)
    log.write(frames(20_000))
    log.close()
    time.sleep(max(0.0, 0.3 - (time.monotonic() - began)))
    house.check(0)
    assert house.room_h is not None
    assert house.room_h < 1.0, "half a megabyte in less than a second leaves minutes"


def test_a_missing_directory_is_survived_and_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = keeper(tmp_path / "gone", 10**9, [], [])
    assert house.before_first_log() == []
    assert house.check(10**9) == house.check(10**9) == []
    assert len(caplog.records) == 1
    assert "cannot free space" in caplog.text


def make_strange(folder: Path) -> None:
    """A damaged page: text in place of the GPS time."""
    path = make_log(folder, "a-000", utc_us=7)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE clock SET utc_us = 'noon'")
    connection.commit()
    connection.close()


def make_loop(folder: Path) -> None:
    (folder / "a-000.db").symlink_to("a-000.db")


def make_too_long(folder: Path) -> None:
    """A name too long to have a `-wal`, or even to check for one."""
    (folder / f"{'a' * 250}.db").touch()


@pytest.mark.parametrize("make", [make_strange, make_loop, make_too_long])
def test_one_bad_log_does_not_end_the_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Path], make: Callable[[Path], None]
) -> None:
    make(tmp_path)
    Card(monkeypatch, tmp_path, free=0)
    removed = keeper(tmp_path, 0, [logs[3]], []).check(logs[0].stat().st_size)
    assert [each.name for each in removed] == ["a-001.db"]


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Not even root can remove it."""
    if shutil.which("chattr") is None or subprocess.run(["chattr", "+i", str(path)], check=False).returncode:
        pytest.skip("no file can be made immutable here")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(path)], check=True)


def test_a_log_that_cannot_be_removed_is_reported_once_and_the_next_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    Card(monkeypatch, tmp_path, free=0)
    monkeypatch.setattr(housekeeping, "COOL_S", 0.0)
    house = keeper(tmp_path, 1, [logs[3]], [])
    with immutable(logs[0]):
        assert [each.name for each in house.check(10**9)] == ["a-002.db", "a-003.db"]
        assert house.check(10**9) == [] and logs[0].exists()
        assert caplog.text.count("cannot be removed") == 1
        assert (tmp_path / naming.REMOVED).read_text().count("a-001") == 1, "one line, not one per try"
    assert [each.name for each in house.check(10**9)] == ["a-001.db"]


def test_a_name_that_is_not_text_is_made_printable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written into the present log, as UTF-8."""
    deliver(tmp_path, make_log(tmp_path, os.fsdecode(b"\xff")))
    Card(monkeypatch, tmp_path, free=0)
    assert [each.name for each in keeper(tmp_path, 0, [], []).check(10**9)] == ["\ufffd.db"]


def test_a_failed_sweep_stops_no_removal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Path]
) -> None:
    LogDirectory(tmp_path).remove(make_log(tmp_path, "a-000"), "downloaded").free()
    (tmp_path / "a-000.db-wal").mkdir()
    Card(monkeypatch, tmp_path, free=0)
    removed = keeper(tmp_path, 0, [logs[3]], []).check(logs[0].stat().st_size)
    assert [each.name for each in removed] == ["a-001.db"]


def test_nothing_is_removed_while_a_log_is_being_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: list[Path]
) -> None:
    """The stage changes to one whose log was chosen for removal: it is in use before it can be removed."""
    Card(monkeypatch, tmp_path, 0)
    in_use: list[Path] = []
    house = keeper(tmp_path, logs[0].stat().st_size, in_use, [])
    with house.paused():
        thread = threading.Thread(target=house.check, args=(logs[0].stat().st_size,))
        thread.start()
        time.sleep(0.3)
        assert logs[0].exists()
        in_use.append(logs[0])
    thread.join(5)
    assert logs[0].exists()
