"""A log's name, or one beside it, is not a regular file: the recorder quarantines it, or leaves it, and records."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logger.logfile import naming
from logger.logfile.open_or_quarantine import begin_log
from logger.logfile.verify import verify
from tests.logger.logfile.rows_made import META, START, drive, frames, write_log


@pytest.mark.parametrize("tail", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "link to nothing", "link to itself", "link to a file"])
def test_the_recorder_records_whatever_has_the_logs_name(tmp_path: Path, tail: str, kind: str) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "stage-001.db"
    other = tmp_path / "other"
    other.write_bytes(b"not to be written")
    if tail:
        write_log(path, frames(5))
    if not (kind == "link to a file" and not tail):  # a link to a log elsewhere is fine
        make_odd(path.with_name(path.name + tail), kind, other)
    chosen = naming.choose(folder, "stage", boot_id=None)
    log, quarantined = begin_log(chosen, START, META, lambda _aside: drive())
    log.close()
    assert verify(chosen) == []
    assert chosen.name != "stage-001.db" or not tail or quarantined is not None
    assert other.read_bytes() == b"not to be written"
    if quarantined is not None and tail:
        assert not verify(quarantined) or os.path.lexists(f"{quarantined}{tail}")  # nothing is lost


def make_odd(path: Path, kind: str, other: Path) -> None:
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "link to nothing":
            path.symlink_to("nowhere")
        case "link to itself":
            path.symlink_to(path.name)
        case _:
            path.symlink_to(other)


@pytest.mark.parametrize("bits", [0x01, 0x02, 0x03, 0x04, 0xFF])
def test_the_recorder_records_whatever_a_byte_of_the_logs_header_is(tmp_path: Path, bits: int) -> None:
    write_log(tmp_path / "whole.db", frames(5))
    whole = (tmp_path / "whole.db").read_bytes()
    for at in range(100):
        path = tmp_path / f"{at}.db"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bits]) + whole[at + 1 :])
        log, _ = begin_log(path, START, META, lambda _aside: drive())
        log.close()
        assert verify(path) == [], at
