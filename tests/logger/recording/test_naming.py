"""File names: from the stage and a counter, never from the clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from logger.recording import naming
from logger.recording.store import open_log
from tests.logger.recording.rows_made import META, START


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


def test_a_stage_goes_on_in_its_newest_log(tmp_path: Path) -> None:
    assert naming.choose(tmp_path, "s", boot_id=None).name == "s-001.db"
    for number in (1, 2, 10):
        make(tmp_path / f"s-{number:03d}.db", "old boot")
    make(tmp_path / "s-t-011.db", "another stage, whose name begins alike")
    assert naming.choose(tmp_path, "s", boot_id=None).name == "s-010.db"


def test_without_a_stage_each_boot_has_its_own_log(tmp_path: Path) -> None:
    make(tmp_path / "drive-001.db", "first")
    assert naming.choose(tmp_path, "drive", boot_id="first").name == "drive-001.db"
    assert naming.choose(tmp_path, "drive", boot_id="second").name == "drive-002.db"


def test_an_unreadable_log_is_chosen_so_that_opening_sets_it_aside(tmp_path: Path) -> None:
    (tmp_path / "drive-001.db").write_bytes(b"garbage" * 1000)
    assert naming.choose(tmp_path, "drive", boot_id="b").name == "drive-001.db"
