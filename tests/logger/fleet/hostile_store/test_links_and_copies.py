"""Links, folders within folders and changed copies in an untrusted store: nothing outside is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest

from logger.fleet.catalogue import Entry
from logger.fleet.store import INCOMING
from tests.logger.fleet.hostile_store.commands import Verb, add_row, outside, row_of
from tests.logger.fleet.stores import forged


@pytest.mark.parametrize("name", [INCOMING, "log", "logs", "fix", "fix/event=test", "review"])
def test_a_folder_that_is_a_link_is_not_followed(
    name: str, verb: Verb, store: Path, pair: list[Path], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    old = elsewhere / "old"
    old.mkdir(parents=True)
    (old / "mine").write_text("mine")
    os.utime(old, (0, 0))
    shutil.rmtree(store / name, ignore_errors=True)
    (store / name).symlink_to(elsewhere)
    grown = forged(pair[0], tmp_path / pair[0].name, "UPDATE meta SET value = 'x' WHERE key = 'software'")
    ended = [verb("add", grown), verb("query", "SELECT count(*) FROM fix"), verb("review")]
    assert {end.code for end in ended} & {1, 74}
    assert any(name.partition("/")[0] in line and "link" in line for end in ended for line in end.err), ended
    assert [path.name for path in elsewhere.rglob("*")] == ["old", "mine"]


def test_folders_within_one_another_are_left_out(verb: Verb, store: Path, pair: list[Path]) -> None:
    """Their path is longer than the system opens."""
    at = os.open(store / "log", os.O_DIRECTORY)
    for _ in range(3_000):
        os.mkdir("d", dir_fd=at)
        inner = os.open("d", os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    try:
        ended = verb("query", "SELECT count(*) AS n FROM log", "--json")
    finally:
        subprocess.run(["rm", "-rf", str(store / "log/d")], check=True)
    assert (ended.code, ended.out) == (0, '{"n": 2}\n')
    assert len(ended.err) == 1
    assert "1 folders more than 10 deep" in ended.err[0]


def test_files_that_are_links_are_replaced_or_skipped(
    verb: Verb, store: Path, pair: list[Path], tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine")
    for path in [*(store / "fix").rglob("*.parquet"), *(store / "logs").iterdir()]:
        path.unlink()
        path.symlink_to(mine)
    assert verb("query", "SELECT count(*) AS n FROM fix", "--json").out == '{"n": 0}\n'
    reviewed = verb("review")
    assert reviewed.code == 1
    assert sum("is a symbolic link" in line for line in reviewed.err) == 2
    assert verb("add", pair[0]).out.endswith(": added\n")
    assert mine.read_text() == "mine"


def compressed(path: Path, blocks: int, block: bytes = bytes(1_000_000)) -> None:
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as stream:
        for _ in range(blocks):
            stream.write(block)


@pytest.mark.parametrize("what", ["a bomb", "random", "empty", "another log", "larger than the disk"])
def test_a_changed_copy_is_an_error(what: str, verb: Verb, store: Path, tmp_path: Path) -> None:
    entry = Entry(**row_of(store))
    path = store / entry.copy
    if what == "a bomb":
        compressed(path, 2000)
    elif what == "random":
        path.write_bytes(os.urandom(10_000))
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "another log":
        shutil.copy(store / Entry(**row_of(store, 1)).copy, path)
    else:
        shutil.rmtree(store / "log/event=test/stage=7/car=71")
        add_row(store, **{**entry._asdict(), "size_bytes": 2**62})
    found = outside(store)
    ended = verb("review")
    assert ended.code == 1
    assert len(ended.err) == 1
    assert entry.log in ended.err[0]
    assert "Driver 72" in ended.out
    assert outside(store) == found
