"""Delivery of logs to real small file systems: complete or not at all, and counted only when stored."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from firmware_bridge.errors import DeviceError
from logger.boundary.whole_file import PART_TAIL
from logger.logfile.open_or_quarantine import quarantine
from logger.logfile.verify import verify
from logger.retention.log_directory import LogDirectory, delivered
from logger.stick import delivery
from logger.stick.delivery import FOLDER, deliver
from logger.transfer import ledger
from logger.transfer.snapshot import DAMAGED_TAIL, digest_of
from tests.field_failures.small_disk import filled
from tests.logger.stick.conftest import STICK_MB, plugged
from tests.logger.transfer.logs_made import being_recorded, closed, content, large, rows


def quiet(_: str) -> None:
    """Ignore the progress."""


def names(stick: Path) -> set[str]:
    return {path.name for path in (stick / FOLDER).iterdir()}


def is_delivered(logs: Path) -> dict[str, bool]:
    """Whether retention counts each log as delivered."""
    return {stored.path.name: stored.is_delivered for stored in LogDirectory(logs).survey(delivered([logs]))}


def test_all_logs_are_copied_verified_and_recorded_in_the_ledger(logs: Path, stick: Path) -> None:
    for name in ("a-001.db", "b-001.db"):
        closed(logs / name)
    messages: list[str] = []
    outcomes = deliver(logs, stick, messages.append)
    assert [(outcome.ok, "whole" in outcome.text) for outcome in outcomes] == [(True, True)] * 2
    assert names(stick) == {"a-001.db", "b-001.db"}
    for path in (stick / FOLDER).iterdir():
        assert content(path) == content(logs / path.name)
        (noted,) = (noted for noted in ledger.read(logs) if noted.name == path.name)
        assert noted.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert noted.size == path.stat().st_size
    assert is_delivered(logs) == {"a-001.db": True, "b-001.db": True}
    assert messages[0].startswith("1 of 2: ") and messages[-1].endswith(".db, 100%")


def test_a_second_delivery_copies_only_new_or_longer_logs(logs: Path, stick: Path) -> None:
    closed(logs / "a-001.db")
    with being_recorded(logs / "b-001.db") as log:
        deliver(logs, stick, quiet)
        assert deliver(logs, stick, quiet) == []
        log.write(rows(500, 3000))
        log.commit()
        (outcome,) = deliver(logs, stick, quiet)
        assert outcome.name == "b-001.db" and "grown" in outcome.text
        assert content(stick / FOLDER / "b-001.db") == content(logs / "b-001.db")
        assert is_delivered(logs)["b-001.db"]


def test_another_stick_gets_delivered_logs_only_on_request(logs: Path, stick: Path) -> None:
    closed(logs / "a-001.db")
    deliver(logs, stick, quiet)
    shutil.rmtree(stick / FOLDER)
    assert deliver(logs, stick, quiet) == []
    assert [outcome.ok for outcome in deliver(logs, stick, quiet, every=True)] == [True]
    assert deliver(logs, stick, quiet, every=True) == []


def test_a_different_log_of_the_same_name_is_kept(logs: Path, stick: Path) -> None:
    """The same stage in another car, or yesterday's demonstration."""
    (stick / FOLDER).mkdir()
    theirs = closed(stick / FOLDER / "a-001.db", boot_id="theirs")
    before = theirs.read_bytes()
    closed(logs / "a-001.db", boot_id="ours")
    (outcome,) = deliver(logs, stick, quiet)
    assert theirs.read_bytes() == before
    (ours,) = names(stick) - {"a-001.db"}
    assert ours in outcome.text
    assert content(stick / FOLDER / ours) == content(logs / "a-001.db")
    assert deliver(logs, stick, quiet, every=True) == []


def test_a_shorter_log_never_replaces_a_longer_one(logs: Path, stick: Path) -> None:
    """A card restored to last week's state."""
    with being_recorded(logs / "a-001.db") as log:
        early = logs.parent / "early"
        shutil.copytree(logs, early)
        log.write(rows(500, 3000))
        log.commit()
        deliver(logs, stick, quiet)
        before = (stick / FOLDER / "a-001.db").read_bytes()
        deliver(early, stick, quiet)
    assert (stick / FOLDER / "a-001.db").read_bytes() == before


def test_a_damaged_log_is_copied_byte_for_byte_and_never_counts_as_delivered(logs: Path, stick: Path) -> None:
    path = closed(logs / "a-001.db", 20_000)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(4096))
    (outcome,) = deliver(logs, stick, quiet)
    assert not outcome.ok and "damaged" in outcome.text
    assert names(stick) == {"a-001.db" + DAMAGED_TAIL}
    assert (stick / FOLDER / ("a-001.db" + DAMAGED_TAIL)).read_bytes() == path.read_bytes()
    assert not ledger.read(logs)
    assert deliver(logs, stick, quiet) == deliver(logs, stick, quiet, every=True) == [], (
        "one delivery is enough"
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO frame SELECT * FROM frame LIMIT 1")
    assert [outcome.name for outcome in deliver(logs, stick, quiet)] == ["a-001.db"], "it has grown"


def test_a_quarantined_log_is_copied_byte_for_byte(logs: Path, stick: Path) -> None:
    """A log that SQLite cannot read, with its newest rows in the write-ahead log."""
    with being_recorded(logs / "a-001.db"):
        shutil.copytree(logs, logs.parent / "cut")
    logs = logs.parent / "cut"
    with (logs / "a-001.db").open("r+b") as file:
        file.write(bytes(100))
    quarantine(logs / "a-001.db")
    (stick / FOLDER).mkdir()
    (stick / FOLDER / "a-001.db.damaged-1").write_bytes(b"of another car")
    outcomes = {outcome.name: outcome.text for outcome in deliver(logs, stick, quiet)}
    assert set(outcomes) == {"a-001.db.damaged-1", "a-001.db.damaged-1-wal"}
    assert all("as it is" in text for text in outcomes.values())
    assert (stick / FOLDER / "a-001.db.damaged-1").read_bytes() == b"of another car"
    ours, wal = sorted(names(stick) - {"a-001.db.damaged-1"}, key=len, reverse=True)
    assert (stick / FOLDER / ours).read_bytes() == (logs / "a-001.db.damaged-1").read_bytes()
    assert (stick / FOLDER / wal).read_bytes() == (logs / "a-001.db.damaged-1-wal").read_bytes()
    assert deliver(logs, stick, quiet) == deliver(logs, stick, quiet, every=True) == []
    assert not ledger.read(logs)


def test_a_file_in_place_of_the_folder_is_reported(logs: Path, stick: Path) -> None:
    closed(logs / "a-001.db")
    (stick / FOLDER).touch()
    with pytest.raises(DeviceError, match=f"a file named {FOLDER} .* remove it"):
        deliver(logs, stick, quiet)
    (stick / FOLDER).unlink()
    (stick / FOLDER / f".x{PART_TAIL}").mkdir(parents=True)
    with pytest.raises(DeviceError, match="Is a directory"):
        deliver(logs, stick, quiet)


@pytest.mark.parametrize("kind", ["ext4", "exfat", "vfat"])
def test_common_stick_file_systems_work(logs: Path, tmp_path: Path, kind: str) -> None:
    """Without owners and permission bits: a longer log, then a full stick, then free space again."""
    with plugged(tmp_path / "stick", kind) as stick:
        with being_recorded(logs / "a-001.db") as log:
            deliver(logs, stick, quiet)
            log.write(rows(500, 3000))
            log.commit()
            assert [outcome.ok for outcome in deliver(logs, stick, quiet)] == [True]
        assert content(stick / FOLDER / "a-001.db") == content(logs / "a-001.db")
        large(logs / "b-001.db", STICK_MB + 4)
        (outcome,) = (outcome for outcome in deliver(logs, stick, quiet) if outcome.name == "b-001.db")
        assert not outcome.ok and "does not fit" in outcome.text
        assert names(stick) == {"a-001.db"}
        assert verify(stick / FOLDER / "a-001.db") == []


def test_a_log_that_does_not_fit_leaves_room_for_smaller_ones(logs: Path, stick: Path) -> None:
    closed(logs / "a-001.db")
    large(logs / "b-001.db", STICK_MB + 4)
    found = {outcome.name: outcome.ok for outcome in deliver(logs, stick, quiet)}
    assert found == {"a-001.db": True, "b-001.db": False}
    assert is_delivered(logs) == found


def test_a_full_stick_is_reported_and_holds_no_partial_log(logs: Path, stick: Path) -> None:
    closed(logs / "a-001.db")
    with filled(stick), pytest.raises(DeviceError, match="full"):
        deliver(logs, stick, quiet)
    assert not ledger.read(logs)
    assert [outcome.ok for outcome in deliver(logs, stick, quiet)] == [True]


def test_a_stick_that_fills_up_during_the_copy_holds_no_partial_log(logs: Path, stick: Path) -> None:
    """Another program fills it; the outcome is reported, and no partial file is left."""
    large(logs / "a-001.db", 4)
    filler = stick / "filler"

    def fill(_: str) -> None:
        if not filler.exists():
            filler.write_bytes(bytes(STICK_MB - 3 << 20))

    (outcome,) = deliver(logs, stick, fill)
    assert not outcome.ok and "not copied" in outcome.text
    assert names(stick) == set()
    assert not ledger.read(logs)
    filler.unlink()
    assert [outcome.ok for outcome in deliver(logs, stick, quiet)] == [True]


def test_a_write_protected_stick_is_reported(logs: Path, stick: Path) -> None:
    closed(logs / "a-001.db")
    subprocess.run(["mount", "-o", "remount,ro", str(stick)], check=True)
    with pytest.raises(DeviceError, match="write-protected"):
        deliver(logs, stick, quiet)
    assert not ledger.read(logs)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 1.0])
def test_after_a_pull_at_any_moment_only_complete_logs_count(
    logs: Path, tmp_path: Path, share: float
) -> None:
    """Unmounted by force, so that all of its files vanish together."""
    large(logs / "a-001.db", 3)
    with plugged(tmp_path / "stick", "ext4") as stick:

        def pull(text: str) -> None:
            if float(text.rpartition(" ")[2].rstrip("%")) >= 100 * share:
                subprocess.run(["umount", "-l", str(stick)], check=False, capture_output=True)

        with pytest.raises(DeviceError, match="pulled"):
            deliver(logs, stick, pull)
        assert not ledger.read(logs), "the log must stay in the car"
        assert not (stick / FOLDER).exists(), "nothing was written below the mount point"


def test_the_partial_file_of_a_pulled_copy_is_removed(logs: Path, stick: Path) -> None:
    (stick / FOLDER).mkdir()
    (stick / FOLDER / ".a-001.db.part").write_bytes(b"half")
    closed(logs / "a-001.db")
    deliver(logs, stick, quiet)
    assert names(stick) == {"a-001.db"}


def test_a_counterfeit_stick_is_detected(logs: Path, stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counterfeit sticks accept everything and keep the first megabytes; this one loses data before it is read back."""
    closed(logs / "a-001.db")
    right = digest_of

    def forgotten(path: Path, progress: Callable[[float], None]) -> str:
        with path.open("r+b") as file:
            file.seek(8192)
            file.write(bytes(512))
        return right(path, progress)

    monkeypatch.setattr(delivery, "digest_of", forgotten)
    (outcome,) = deliver(logs, stick, quiet)
    assert not outcome.ok and "returns other data" in outcome.text
    assert names(stick) == set() and not ledger.read(logs)


def test_links_on_the_stick_are_not_followed(logs: Path, stick: Path) -> None:
    """A stick made to let the car overwrite its own log."""
    log = closed(logs / "a-001.db")
    before = log.read_bytes()
    (stick / FOLDER).symlink_to(logs)
    with pytest.raises(DeviceError, match="link"):
        deliver(logs, stick, quiet)
    (stick / FOLDER).unlink()
    (stick / FOLDER).mkdir()
    (stick / FOLDER / "a-001.db").symlink_to(log)
    (stick / FOLDER / ".a-001.db.part").symlink_to(log)
    deliver(logs, stick, quiet)
    assert log.read_bytes() == before
    assert not (stick / FOLDER / "a-001.db").is_symlink()


def test_a_name_that_is_not_utf_8_is_copied(logs: Path, stick: Path) -> None:
    """A card repaired by hand; the progress text goes to the page and into the log."""
    closed(logs / os.fsdecode(b"\xff\xfe\n.db"))
    closed(logs / "a-001.db")
    messages: list[str] = []
    outcomes = {outcome.name: outcome.ok for outcome in deliver(logs, stick, messages.append)}
    assert outcomes == {"a-001.db": True, "\ufffd\ufffd\ufffd.db": True}
    assert all(text.isprintable() for text in messages)
    assert names(stick) == {"a-001.db", os.fsdecode(b"\xff\xfe\n.db")}
    assert set(is_delivered(logs).values()) == {True}
    assert deliver(logs, stick, quiet) == []


def test_special_files_delay_no_log(logs: Path, stick: Path) -> None:
    """After a file system check: a link to itself, a folder, and a pipe with names of logs."""
    closed(logs / "a-001.db")
    (logs / "loop.db").symlink_to("loop.db")
    (logs / "folder.db").mkdir()
    os.mkfifo(logs / "pipe.db")
    assert [(outcome.name, outcome.ok) for outcome in deliver(logs, stick, quiet)] == [("a-001.db", True)]


def test_an_unwritable_ledger_is_reported(logs: Path, stick: Path) -> None:
    closed(logs / "a-001.db")
    (logs / ledger.FILE).mkdir()
    (outcome,) = deliver(logs, stick, quiet)
    assert not outcome.ok and "could not record" in outcome.text and ledger.FILE in outcome.text
    assert names(stick) == {"a-001.db"}
