"""Logs in a real directory: which are delivered, removal despite power cuts, `stagelog protect`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from firmware_bridge.errors import LogError
from logger.logfile import naming
from logger.logfile.open_or_quarantine import open_log, quarantine
from logger.retention.log_directory import KEEP_TAIL, LogDirectory, delivered, is_protected, protect
from logger.retention.rule import choose
from tests.logger.command_line import stagelog
from tests.logger.logfile.rows_made import META, START, frames
from tests.logger.retention.logs_made import deliver, make_log, marks


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


# -- stagelog protect ----------------------------------------------------------------------------------------


def test_protect_and_back(tmp_path: Path) -> None:
    path = make_log(tmp_path, "a-001")
    result = stagelog("protect", path.name, folder=tmp_path)
    assert (result.code, result.out) == (0, "a-001.db: protected\n")
    assert is_protected(path)
    assert path.with_name(path.name + KEEP_TAIL).exists()
    result = stagelog("protect", "--off", path.name, folder=tmp_path)
    assert result.code == 0
    assert not is_protected(path)


@pytest.mark.parametrize("off", [[], ["--off"]])
def test_protecting_a_missing_log_gives_one_line(tmp_path: Path, off: list[str]) -> None:
    result = stagelog("protect", *off, "nothing.db", folder=tmp_path)
    assert (result.code, result.out) == (74, "")
    assert result.complaint.startswith("stagelog: nothing.db: no such log")
    with pytest.raises(LogError):
        protect(tmp_path / "nothing.db", on=not off)


def test_the_protection_of_a_missing_log_can_be_ended(tmp_path: Path) -> None:
    path = make_log(tmp_path, "a-001")
    protect(path)
    path.unlink()
    protect(path, on=False)
    assert not is_protected(path)


def test_the_protected_logs_are_listed(tmp_path: Path) -> None:
    b, a, _ = (make_log(tmp_path, name) for name in ("b-001", "a-001", "c-001"))
    for path in (b, a):
        protect(path)
    said = stagelog("protect", "--list", folder=tmp_path)
    assert (said.code, said.out, said.err) == (0, "a-001.db\nb-001.db\n", "")
    (tmp_path / "a-001.db").unlink()
    said = stagelog("protect", "--list", tmp_path, folder=tmp_path.parent)
    gone, kept = said.out.splitlines()
    assert gone.startswith(f"{tmp_path / 'a-001.db'}: the mark is left, but the log is gone")
    assert kept == str(tmp_path / "b-001.db")


def test_a_list_without_protected_logs_names_the_folder(tmp_path: Path) -> None:
    assert stagelog("protect", "--list", folder=tmp_path).out == f"no protected logs in {tmp_path}\n"
    said = stagelog("protect", "--list", "none", folder=tmp_path)
    assert (said.code, said.out) == (74, "")
    assert said.complaint.startswith("stagelog: none: cannot be listed: No such file or directory; ")


@pytest.mark.parametrize("arguments", [(), ("--off",), ("--list", "--off")])
def test_protect_without_a_log_is_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = stagelog("protect", *arguments, folder=tmp_path)
    assert said.code == 2
    assert said.complaint.startswith("stagelog protect: ")
