"""Retention: which logs may be removed, in which order, how, and what the crew sees."""

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

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import LogError
from logger.logfile import naming
from logger.logfile.open_or_quarantine import open_log, quarantine
from logger.logfile.rows import ClockRow, Rows
from logger.retention import housekeeper as housekeeping
from logger.retention.housekeeper import Housekeeper, Removed
from logger.retention.log_directory import KEEP_TAIL, LogDirectory, delivered, is_protected, protect
from logger.retention.rule import STAGE_H, Stored, choose, oldest_first, room_h
from logger.transfer import ledger, slow_delete
from logger.transfer.state import state_of
from tests.logger.command_line import stagelog
from tests.logger.logfile.rows_made import META, START, frames

MB = 1_000_000


def test_a_quarantined_log_is_older_than_its_replacement() -> None:
    paths = [Path(f"a-{name}") for name in ("002.db", "001.db.damaged-1", "001.db", "001.db.damaged-2")]
    found = oldest_first(Stored(path, 1) for path in paths)
    assert [log.path for log in found] == [paths[n] for n in (1, 3, 2, 0)]


def stored(name: str, utc: int | None = None, size: int = 10, **marks: bool) -> Stored:
    return Stored(Path(f"{name}.db"), size, utc, **{"is_delivered": True, **marks})


def names(logs: list[Stored]) -> list[str]:
    return [log.path.stem for log in logs]


@pytest.mark.parametrize(
    ("logs", "order"),
    [
        ([stored("b-001", 10), stored("a-001", 20)], ["b-001", "a-001"]),
        # Among logs of one name the counter decides, whatever the GPS time.
        ([stored("a-002", 10), stored("a-001", 20)], ["a-001", "a-002"]),
        ([stored("a-10"), stored("a-9"), stored("a-100")], ["a-9", "a-10", "a-100"]),
        # Without GPS a log is as old as its neighbours by counter.
        (
            [stored("a-001", 10), stored("a-002"), stored("a-003", 30), stored("b-001", 20)],
            ["a-001", "a-002", "b-001", "a-003"],
        ),
        ([stored("a-001"), stored("a-002", 10), stored("b-001", 5)], ["b-001", "a-001", "a-002"]),
        # A log of unknown age goes last.
        ([stored("unknown-001"), stored("a-001", 50)], ["a-001", "unknown-001"]),
        ([stored("no counter", 7), stored("a-001", 8)], ["no counter", "a-001"]),
    ],
)
def test_the_oldest_is_known_by_counter_and_gps(logs: list[Stored], order: list[str]) -> None:
    assert names(oldest_first(logs)) == order
    assert names(oldest_first(reversed(logs))) == order


@pytest.mark.parametrize(
    ("marks", "last_resort", "goes"),
    [
        ({"is_delivered": True}, False, True),
        ({"is_delivered": False}, False, False),
        ({"is_delivered": False}, True, True),
        ({"is_delivered": True, "is_protected": True}, True, False),
        ({"is_delivered": False, "is_readable": False}, True, False),
    ],
)
def test_which_logs_may_be_removed(marks: dict[str, bool], last_resort: bool, goes: bool) -> None:
    log = stored("a-001", 1, **marks)
    assert (choose([log], [], 1, last_resort=last_resort) == [log]) is goes
    assert choose([log], [log.path], 1, last_resort=last_resort) == [], "it is being recorded"


def test_only_as_many_as_needed_are_removed_and_the_downloaded_first() -> None:
    logs = [stored("a-001", 1, is_delivered=False), *(stored(f"a-00{n}", n) for n in (2, 3, 4))]
    assert names(choose(logs, [], 15, last_resort=True)) == ["a-002", "a-003"]
    assert names(choose(logs, [], 31, last_resort=True)) == ["a-002", "a-003", "a-004", "a-001"]
    assert names(choose(logs, [], 31, last_resort=False)) == ["a-002", "a-003", "a-004"]
    assert choose(logs, [], 0, last_resort=True) == []


@given(
    st.lists(
        st.builds(
            Stored,
            st.builds(lambda name, n: Path(f"{name}-{n:03d}.db"), st.sampled_from("abc"), st.integers(1, 9)),
            st.integers(0, 100),
            st.none() | st.integers(0, 1000),
            st.booleans(),
            st.booleans(),
            st.booleans(),
        ),
        unique_by=lambda log: log.path,
        max_size=12,
    ),
    st.integers(0, 500),
    st.booleans(),
)
def test_the_rule_holds_for_any_folder(logs: list[Stored], need: int, last_resort: bool) -> None:
    in_use = [log.path for log in logs[:2]]
    chosen = choose(logs, in_use, need, last_resort=last_resort)
    assert not any(log.path in in_use or log.is_protected or not log.is_readable for log in chosen)
    assert last_resort or all(log.is_delivered for log in chosen)
    assert sum(log.size_bytes for log in chosen[:-1]) < max(need, 1)
    assert set(oldest_first(logs)) == set(logs)
    for delivered_too in (True, False):
        counters = [
            log.path.name for log in chosen if log.is_delivered is delivered_too and log.path.name[0] == "a"
        ]
        assert counters == sorted(counters)


@pytest.mark.parametrize(
    ("room", "growth", "largest", "hours"),
    [
        (1000 * MB, 100.0 * MB, 0, 10.0),
        (1000 * MB, None, 0, None),
        (1000 * MB, 0.0, 0, None),
        (1000 * MB, 10.0 * MB, 1000 * MB, STAGE_H),  # in the service park, with room for one more stage
        (-5 * MB, 10.0 * MB, 0, 0.0),
    ],
)
def test_hours_of_room(room: int, growth: float | None, largest: int, hours: float | None) -> None:
    assert room_h(room, growth, largest) == hours


# -- real logs in a real folder ------------------------------------------------------------------------------


def make_log(folder: Path, name: str, rows: int = 100, utc_us: int | None = None) -> Path:
    """A closed log with some frames."""
    log, _ = open_log(folder / f"{name}.db")
    log.begin_session(START, META)
    log.write(frames(rows))
    if utc_us is not None:
        log.write(Rows(clock=[ClockRow(1, utc_us, 100, "gps")]))
    log.close()
    return log.path


def deliver(folder: Path, log: Path) -> None:
    state = state_of(log)
    ledger.add(
        folder, ledger.Delivered(log.name, state.session, state.t_us, log.stat().st_size, "0" * 64, "1970")
    )


def marks(folder: Path) -> dict[str, bool]:
    """Each log, and whether it counts as delivered."""
    return {log.path.stem: log.is_delivered for log in LogDirectory(folder).survey(delivered([folder]))}


def test_a_log_that_has_grown_is_not_delivered(tmp_path: Path) -> None:
    path = make_log(tmp_path, "a-001")
    assert marks(tmp_path) == {"a-001": False}
    deliver(tmp_path, path)
    assert marks(tmp_path) == {"a-001": True}
    log, _ = open_log(path)
    log.begin_session(START, META)
    log.write(frames(1, first=500))
    log.commit()
    assert marks(tmp_path) == {"a-001": False}, "the rows are still in its WAL"
    log.close()
    assert marks(tmp_path) == {"a-001": False}


def test_another_log_of_the_same_name_is_not_delivered(tmp_path: Path) -> None:
    deliver(tmp_path, make_log(tmp_path, "a-001", rows=500))
    (tmp_path / "a-001.db").unlink()
    make_log(tmp_path, "a-001", rows=100)
    assert marks(tmp_path) == {"a-001": False}


def test_a_log_that_replaces_a_quarantined_one_is_delivered_independently(tmp_path: Path) -> None:
    """It has the same name, and is shorter for hours than what was delivered of the earlier one."""
    deliver(tmp_path, make_log(tmp_path, "a-001", rows=500))
    quarantine(tmp_path / "a-001.db")
    fresh = make_log(tmp_path, "a-001", rows=100)
    assert not marks(tmp_path)["a-001"]
    deliver(tmp_path, fresh)
    assert marks(tmp_path)["a-001"]


def test_a_quarantined_log_is_removed_like_any_other(tmp_path: Path) -> None:
    """Delivered first; with a WAL beside it no copy is known to be complete, and an unreadable one stays."""
    for name in ("a-001", "a-002", "a-003"):
        quarantine(make_log(tmp_path, name))
        deliver(tmp_path, tmp_path / f"{name}.db.damaged-1")
    (tmp_path / "a-002.db.damaged-1-wal").write_bytes(b"rows")
    (tmp_path / "a-003.db.damaged-1").write_bytes(b"no log at all")
    surveyed = LogDirectory(tmp_path).survey(delivered([tmp_path]))
    assert [log.path.name for log in surveyed] == [f"a-00{n}.db.damaged-1" for n in (1, 2, 3)]
    assert [log.is_delivered for log in surveyed] == [True, False, False]
    chosen = choose(surveyed, [], 10**9, last_resort=False)
    assert [log.path.name for log in chosen] == ["a-001.db.damaged-1"]
    LogDirectory(tmp_path).remove(surveyed[1].path, "last resort").free()
    assert not list(tmp_path.glob("a-002*")), "with its other files"


def test_either_ledger_counts_and_a_missing_folder_does_not_matter(tmp_path: Path) -> None:
    other = tmp_path / "crew"
    other.mkdir()
    path = make_log(tmp_path, "a-001")
    deliver(other, path)
    extents = delivered([tmp_path, other, tmp_path / "nowhere"])
    assert [log.is_delivered for log in LogDirectory(tmp_path).survey(extents)] == [True]


def test_files_that_are_not_logs_are_kept(tmp_path: Path) -> None:
    (tmp_path / "holiday.db").write_bytes(b"not a log at all")
    (tmp_path / "empty.db").touch()
    assert [log.is_readable for log in LogDirectory(tmp_path).survey({})] == [False, False]
    assert choose(LogDirectory(tmp_path).survey({}), [], 10**9, last_resort=True) == []


class PowerCutError(Exception):
    """The power was cut."""


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_a_power_cut_in_the_middle_of_a_removal_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """After each unlink in turn: either a whole log remains, or nothing that could damage a later log."""
    log, _ = open_log(tmp_path / "a-001.db")
    log.begin_session(START, META)
    log.write(frames(100))
    log.commit()
    copy = tmp_path / "cut"
    copy.mkdir()
    for tail in ("", "-wal", "-shm"):  # as a power cut leaves a log: with its WAL
        (copy / f"a-001.db{tail}").write_bytes((tmp_path / f"a-001.db{tail}").read_bytes())
    log.abandon()
    unlink, done = Path.unlink, 0

    def cut(path: Path, missing_ok: bool = False) -> None:
        nonlocal done
        if done == steps:
            raise PowerCutError
        done += 1
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", cut)
        try:
            LogDirectory(copy).remove(copy / "a-001.db", "downloaded").free()
        except PowerCutError:
            assert done == steps
    if (copy / "a-001.db").exists():
        connection = sqlite3.connect(copy / "a-001.db")
        assert connection.execute("SELECT count(*) FROM frame").fetchone() == (100,)
        connection.close()
    else:
        LogDirectory(copy).sweep()
        assert sorted(path.name for path in copy.iterdir()) == [naming.REMOVED]
    assert naming.next_free(copy, "a").name == "a-002.db", "its number is not used again"


def test_the_number_of_a_removed_log_is_never_used_again(tmp_path: Path) -> None:
    path = make_log(tmp_path, "stage-car-1-001")
    LogDirectory(tmp_path).remove(path, "downloaded").free()
    assert naming.choose(tmp_path, "stage-car-1", boot_id=None).name == "stage-car-1-002.db"
    assert naming.choose(tmp_path, "stage-car-12", boot_id=None).name == "stage-car-12-001.db"


@pytest.mark.parametrize("text", [b"", b"\xff\xfe\n", b"[]\n{}\n7\n", b'{"log": 3}\n{"log"', b"\x00" * 5000])
def test_a_damaged_line_of_the_removals_costs_only_itself(tmp_path: Path, text: bytes) -> None:
    (tmp_path / naming.REMOVED).write_bytes(text)
    assert naming.choose(tmp_path, "a", boot_id=None).name == "a-001.db"
    with (tmp_path / naming.REMOVED).open("ab") as file:
        file.write(b'\n{"log": "a-007.db", "why": "downloaded"}\n')
    assert naming.choose(tmp_path, "a", boot_id=None).name == "a-008.db"
    LogDirectory(tmp_path).sweep()


def test_a_sweep_keeps_files_of_other_logs(tmp_path: Path) -> None:
    """A sweep must not delete a WAL whose log has just been quarantined."""
    (tmp_path / "b-001.db-wal").write_bytes(b"rows")
    (tmp_path / naming.REMOVED).write_text(
        '{"log": "a-001.db"}\n{"log": "../b-001.db"}\n'.replace("../b", "../../x")
    )
    (tmp_path / "a-001.db-wal").write_bytes(b"left over")
    LogDirectory(tmp_path).sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b-001.db-wal", naming.REMOVED]


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
    removed: list[Removed] = []
    protect(logs[0])
    house = keeper(tmp_path, logs[1].stat().st_size, [logs[3]], removed)
    stop = threading.Event()
    thread = threading.Thread(target=house.run, args=(stop,))
    thread.start()
    until = time.monotonic() + 10
    while not removed and time.monotonic() < until:
        time.sleep(0.01)
    stop.set()
    thread.join(5)
    assert not thread.is_alive(), "it ends at once"
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
    monkeypatch.setattr(
        "logger.transfer.slow_delete.time.sleep",
        lambda pause_s: steps.append((pause_s, logs[0].exists(), house._removing.locked())),
    )
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


# -- stagelog protect ----------------------------------------------------------------------------------------


def test_protect_and_back(tmp_path: Path) -> None:
    path = make_log(tmp_path, "a-001")
    said = stagelog("protect", path.name, folder=tmp_path)
    assert (said.code, said.out) == (0, "a-001.db: protected\n")
    assert is_protected(path)
    assert path.with_name(path.name + KEEP_TAIL).exists()
    said = stagelog("protect", "--off", path.name, folder=tmp_path)
    assert said.code == 0
    assert not is_protected(path)


@pytest.mark.parametrize("off", [[], ["--off"]])
def test_protecting_a_missing_log_gives_one_line(tmp_path: Path, off: list[str]) -> None:
    said = stagelog("protect", *off, "nothing.db", folder=tmp_path)
    assert (said.code, said.out) == (74, "")
    assert said.complaint.startswith("stagelog: nothing.db: no such log")
    with pytest.raises(LogError):
        protect(tmp_path / "nothing.db", on=not off)


def test_the_protection_of_a_missing_log_can_be_ended(tmp_path: Path) -> None:
    path = make_log(tmp_path, "a-001")
    protect(path)
    path.unlink()
    protect(path, on=False)
    assert not is_protected(path)
