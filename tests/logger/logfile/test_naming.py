"""Log file names come from the stage and a counter, never from the clock."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from logger.logfile import naming, schema
from logger.logfile.open_or_quarantine import open_log
from tests.logger.logfile.rows_made import META, START

NOBODY = 65534


@pytest.mark.parametrize(
    ("stage", "car", "name"),
    [
        ("dakar-2026-11", 500, "dakar-2026-11-car-500"),
        ("dakar-2026-11", None, "dakar-2026-11"),
        (None, None, "drive"),
        (None, 7, "drive-car-7"),
        ("../../etc/passwd", None, "etc-passwd"),
        ("Étape n° 3", None, "tape-n-3"),
    ],
)
def test_stem(stage: str | None, car: int | None, name: str) -> None:
    assert naming.stem(stage, car) == name


def make(path: Path, boot_id: str) -> None:
    log, _ = open_log(path)
    log.begin_session(replace(START, boot_id=boot_id), META)
    log.close()


def test_a_stage_resumes_in_its_newest_log(tmp_path: Path) -> None:
    assert naming.choose(tmp_path, "s", boot_id=None).name == "s-001.db"
    for number in (1, 2, 10):
        make(tmp_path / f"s-{number:03d}.db", "old boot")
    make(tmp_path / "s-t-011.db", "another stage, whose name begins alike")
    assert naming.choose(tmp_path, "s", boot_id=None).name == "s-010.db"


def test_without_a_stage_each_boot_has_its_own_log(tmp_path: Path) -> None:
    make(tmp_path / "drive-001.db", "first")
    assert naming.choose(tmp_path, "drive", boot_id="first").name == "drive-001.db"
    assert naming.choose(tmp_path, "drive", boot_id="second").name == "drive-002.db"


def test_an_unreadable_log_is_chosen_so_that_opening_quarantines_it(tmp_path: Path) -> None:
    (tmp_path / "drive-001.db").write_bytes(b"garbage" * 1000)
    assert naming.choose(tmp_path, "drive", boot_id="b").name == "drive-001.db"


def test_a_log_of_a_later_version_is_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The car goes back one version in mid-stage: it records, and the log waits for the later version."""
    make(tmp_path / "s-001.db", "boot")
    assert naming.choose(tmp_path, "s", boot_id=None).name == "s-001.db"
    before = (tmp_path / "s-001.db").read_bytes()
    with monkeypatch.context() as older:
        older.setattr(schema, "VERSIONS", schema.VERSIONS[:-1])
        for boot_id in (None, "boot"):
            assert naming.choose(tmp_path, "s", boot_id=boot_id).name == "s-002.db"
    assert (tmp_path / "s-001.db").read_bytes() == before


@pytest.mark.process
def test_a_log_owned_by_root_is_left_to_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a log that is not ours")
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "s-001.db", "boot")
        Path(folder).chmod(0o777)
        assert naming.choose(Path(folder), "s", boot_id=None).name == "s-001.db", (
            "and all it needs is imported"
        )
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                name = naming.choose(Path(folder), "s", boot_id=None).name
            except BaseException as error:  # noqa: BLE001 - the child must not go on with the other tests
                name = str(error)
            os.write(2, name.encode())
            os._exit(name != "s-002.db")
        assert os.waitpid(child, 0)[1] == 0
