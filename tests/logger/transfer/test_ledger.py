"""The ledger: one line per delivery; an unreadable line counts as not delivered, and nothing raises."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.transfer.ledger import FILE, Delivered, add, reaches, read

FIRST = Delivered("a.db", 1, 500, 1000, "ab" * 32, "2026-11-22T20:00:00+00:00")
FURTHER = FIRST._replace(session=2, t_us=10)
OTHER = FIRST._replace(name="Étape \n 3.db")


def test_each_delivery_is_kept(tmp_path: Path) -> None:
    assert read(tmp_path) == []
    for each in (FURTHER, OTHER, FIRST):
        add(tmp_path, each)
    assert read(tmp_path) == [FURTHER, OTHER, FIRST]
    assert reaches(tmp_path) == {"a.db": {(1, 500), (2, 10)}, OTHER.name: {(1, 500)}}


def test_the_group_may_read_it_with_any_umask(tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        add(tmp_path, FIRST)
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes owners")
def test_the_folders_owner_can_append_to_a_ledger_that_root_began(tmp_path: Path) -> None:
    (tmp_path / FILE).touch(0o640)  # root's, as a version before this one left it
    os.chown(tmp_path, 1234, 2345)
    for each in (FIRST, OTHER):
        add(tmp_path, each)
        there = (tmp_path / FILE).stat()
        assert (there.st_uid, there.st_gid) == (1234, 2345)
        (tmp_path / FILE).unlink()


def test_root_does_not_follow_a_link_in_its_place(tmp_path: Path) -> None:
    """Otherwise the folder's owner could take over any file of the system."""
    other = tmp_path / "other"
    other.touch()
    (tmp_path / FILE).symlink_to(other)
    with pytest.raises(OSError):
        add(tmp_path, FIRST)
    assert other.read_bytes() == b""


def test_a_torn_line_costs_only_itself(tmp_path: Path) -> None:
    add(tmp_path, FIRST)
    add(tmp_path, OTHER)
    whole = (tmp_path / FILE).read_bytes()
    for length in range(len(whole)):
        (tmp_path / FILE).write_bytes(whole[:length])
        before = read(tmp_path)
        assert before in ([], [FIRST], [FIRST, OTHER])
        add(tmp_path, FURTHER)
        assert read(tmp_path) == [*before, FURTHER]


def test_foreign_lines_are_skipped(tmp_path: Path) -> None:
    for line in (
        b"{}", b"[]", b"5", b"null", b'{"name": "x.db"}', b"\xff\xfe", b"[" * 100_000, b'{"name":NaN}',
        b'{"name":5,"session":1,"t_us":1,"size":1,"sha256":"","utc":""}',
        b'{"name":"x","session":true,"t_us":1,"size":1,"sha256":"","utc":""}',
        b'{"name":"x","session":1,"t_us":1.5,"size":1,"sha256":"","utc":""}',
        b'{"name":"x","session":1,"t_us":1,"size":1,"sha256":"","utc":"","more":1}',
    ):  # fmt: skip
        (tmp_path / FILE).write_bytes(line + b"\n")
        add(tmp_path, FIRST)
        assert read(tmp_path) == [FIRST], line


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / FILE).write_bytes(data)
        assert isinstance(read(Path(folder)), list)


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert read(tmp_path) == []
    assert reaches(tmp_path) == {}
