"""A large file is unlinked and then freed in steps; a process that still uses it keeps all of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from logger.boundary.whole_file import sync_folder
from logger.transfer import slow_delete
from logger.transfer.slow_delete import REMOVE_BYTES, UnlinkedFile, remove
from tests.logger.stick.conftest import plugged

SMALL_STEP = 256 * 1024
SIZE = 3 * REMOVE_BYTES + 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "large.db"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


@pytest.fixture
def steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """After each step: the remaining size, and whether the file has a name."""
    seen = list[tuple[int, bool]]()
    file = path.stat()

    def look(_pause_s: float) -> None:
        (size,) = open_sizes(file)
        seen.append((size, path.exists()))

    monkeypatch.setattr(
        slow_delete, "time", SimpleNamespace(sleep=look)
    )  # of this module, not of every thread
    return seen


def open_sizes(file: os.stat_result) -> list[int]:
    """The sizes that this process's descriptors of a file show; other threads may open and close others meanwhile."""
    sizes = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile, or a file without a name
            if os.path.samestat(stat := descriptor.stat(), file):
                sizes.append(stat.st_size)
    return sizes


def test_it_is_freed_in_steps_after_its_name_is_gone(path: Path, steps: list[tuple[int, bool]]) -> None:
    file = path.stat()
    remove(path)
    assert steps == [(2 * REMOVE_BYTES + 5, False), (REMOVE_BYTES + 5, False), (5, False)]
    assert list(path.parent.iterdir()) == []
    assert open_sizes(file) == [], "otherwise its space is not freed"
    remove(path)


def test_a_reader_keeps_all_of_it(path: Path, steps: list[tuple[int, bool]]) -> None:
    code = "import sys; f = open(sys.argv[1], 'rb'); print(flush=True); input(); print(len(f.read()))"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        remove(path)
        assert not path.exists()
        out, _ = reader.communicate(b"\n")
    assert (int(out), steps) == (SIZE, [])


def test_another_name_keeps_all_of_it(path: Path, steps: list[tuple[int, bool]]) -> None:
    backup = path.with_name("backup.db")
    backup.hardlink_to(path)
    remove(path)
    assert list(path.parent.iterdir()) == [backup]
    assert (backup.stat().st_size, steps) == (SIZE, [])


def test_special_files_are_only_unlinked(path: Path) -> None:
    link, pipe = path.with_name("link"), path.with_name("pipe")
    link.symlink_to(path)
    os.mkfifo(pipe)
    for each in (link, pipe):
        remove(each)
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_size == SIZE


def test_a_name_that_cannot_be_unlinked(path: Path) -> None:
    with pytest.raises(OSError, match="directory"):
        UnlinkedFile(path.parent)
    assert open_sizes(path.parent.stat()) == []


@pytest.mark.parametrize("synced", [False, True], ids=["by itself", "synced"])
def test_a_power_cut_leaves_all_of_it_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: bool
) -> None:
    """The card after each step, on another machine: the log is whole, or gone and its space free."""
    monkeypatch.setattr(slow_delete, "REMOVE_BYTES", SMALL_STEP)
    cards, rows = list[Path](), os.urandom(8 * SMALL_STEP)
    with plugged(tmp_path / "card", "ext4") as card:
        empty = os.statvfs(card).f_bfree

        def cut(_pause_s: float) -> None:
            if synced:  # as the recorder does continuously
                with (card / "present.db").open("ab") as present:
                    present.write(b"rows")
                    os.fsync(present.fileno())
            cards.append(tmp_path / f"cut-{len(cards)}.img")
            shutil.copyfile(tmp_path / "card.img", cards[-1])

        monkeypatch.setattr(slow_delete, "time", SimpleNamespace(sleep=cut))
        log = card / "a-001.db"
        with log.open("wb", buffering=0) as file:
            file.write(rows)
            os.fsync(file.fileno())
        sync_folder(card)
        remove(log)
    left = [after_the_cut(image, tmp_path / image.stem) for image in cards]
    assert len(left) == 7
    assert all(held == rows or (held is None and free > empty - 20) for held, free in left)
    assert not synced or all(held is None for held, _ in left), "the recorder's sync took it along"


def after_the_cut(image: Path, place: Path) -> tuple[bytes | None, int]:
    """The content under the log's name, and the free blocks, after the card's journal is replayed."""
    place.mkdir()
    subprocess.run(["mount", "-t", "ext4", "-o", "loop", str(image), str(place)], check=True)
    try:
        log = place / "a-001.db"
        return log.read_bytes() if log.exists() else None, os.statvfs(place).f_bfree
    finally:
        subprocess.run(["umount", str(place)], check=True)
