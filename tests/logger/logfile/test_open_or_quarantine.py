"""What has a log's name, or one beside it, and is no file: the recorder sets it aside, or leaves it, and records."""

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
def test_what_is_no_file_does_not_keep_the_recorder_from_recording(
    tmp_path: Path, tail: str, kind: str
) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "stage-001.db"
    other = tmp_path / "other"
    other.write_bytes(b"not to be written")
    if tail:
        write_log(path, frames(5))
    if not (kind == "link to a file" and not tail):  # a log that lies elsewhere is none the worse
        make_odd(path.with_name(path.name + tail), kind, other)
    chosen = naming.choose(folder, "stage", boot_id=None)
    log, aside = begin_log(chosen, START, META, lambda _aside: drive())
    log.close()
    assert verify(chosen) == []
    assert chosen.name != "stage-001.db" or not tail or aside is not None
    assert other.read_bytes() == b"not to be written"
    if aside is not None and tail:
        assert not verify(aside) or os.path.lexists(f"{aside}{tail}")  # nothing is lost, it is beside it


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
