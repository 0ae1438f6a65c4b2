"""The disk model for power cuts; and, if a guest exists, one power cut of a virtual machine."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.power_cuts import disk
from tests.power_cuts.__main__ import KEPT_GUEST
from tests.power_cuts.cuts import Car
from tests.power_cuts.disk import Cut, Write, cut_power, writes
from tests.power_cuts.images import kept_guest, missing_tools

SECTOR = 512
FLUSH, DISCARD = 1, 4


def entry(sector: int, data: bytes = b"", flags: int = 0) -> bytes:
    """One write or flush in the format of QEMU's journal."""
    head = struct.pack("<QQQQ", sector, len(data) // SECTOR, flags, len(data))
    return head.ljust(SECTOR, b"\0") + data


def sectors_of(letter: bytes, sectors: int = 1) -> bytes:
    return letter * SECTOR * sectors


def journal(folder: Path, *entries: bytes) -> list[Write]:
    path = folder / "journal"
    path.write_bytes(bytes(SECTOR) + b"".join(entries))
    return list(writes(path))


def cut(folder: Path, written: list[Write], seed: int) -> tuple[bytes, Cut]:
    image = folder / "image"
    image.write_bytes(sectors_of(b"-", 8))
    result = cut_power(image, written, random.Random(seed))
    return image.read_bytes(), result


def test_flushed_writes_are_always_kept(tmp_path: Path) -> None:
    written = journal(
        tmp_path,
        entry(0, sectors_of(b"a")),
        entry(3, sectors_of(b"b", 2)),
        entry(0, flags=FLUSH),
        entry(1, sectors_of(b"c")),
    )
    assert [write.is_flush for write in written] == [False, False, True, False]
    seen = set()
    for seed in range(40):
        image, result = cut(tmp_path, written, seed)
        assert (image[:SECTOR], image[3 * SECTOR : 5 * SECTOR]) == (sectors_of(b"a"), sectors_of(b"b", 2))
        assert result.flushed == 3
        assert result.kept + result.lost == 1
        assert len(image) == 8 * SECTOR
        seen.add(image[SECTOR : 2 * SECTOR])
    assert seen == {sectors_of(b"c"), sectors_of(b"-")}, "an unflushed write is kept or lost"


def test_a_journal_with_a_hole_is_an_error(tmp_path: Path) -> None:
    whole = entry(0, sectors_of(b"a")) + entry(0, flags=FLUSH)
    with pytest.raises(RuntimeError, match="hole"):
        journal(tmp_path, whole, bytes(SECTOR), sectors_of(b"x", 200))
    assert len(journal(tmp_path, whole, bytes(SECTOR), sectors_of(b"x", 20))) == 2, (
        "the last write was incomplete at the cut"
    )


def test_unflushed_writes_may_be_reordered_or_torn(tmp_path: Path) -> None:
    written = journal(tmp_path, entry(0, sectors_of(b"a")), entry(1, sectors_of(b"b", 4)))
    seen = {cut(tmp_path, written, seed)[0][: 5 * SECTOR : SECTOR] for seed in range(300)}
    assert b"-bbbb" in seen
    assert b"a----" in seen
    assert b"abb--" in seen


def test_an_incomplete_last_entry_is_ignored(tmp_path: Path) -> None:
    whole = entry(0, sectors_of(b"a")) + entry(2, flags=DISCARD) + entry(1, sectors_of(b"b", 2))
    for end in range(0, len(whole), 100):
        written = journal(tmp_path, whole[:end])
        assert [write.data for write in written] in ([], [sectors_of(b"a")])
    assert len(journal(tmp_path, whole)) == 2


def test_an_empty_journal_is_a_cut_before_any_write(tmp_path: Path) -> None:
    (tmp_path / "journal").touch()
    assert list(writes(tmp_path / "journal")) == []
    image, result = cut(tmp_path, [], 1)
    assert (image, result) == (sectors_of(b"-", 8), disk.Cut(0, 0, 0))


def test_a_half_written_superblock_is_repaired_and_the_logs_are_kept(tmp_path: Path) -> None:
    if shutil.which("mke2fs") is None or shutil.which("debugfs") is None:
        pytest.skip("e2fsprogs is not installed")
    (tmp_path / "tree/logs").mkdir(parents=True)
    (tmp_path / "tree/logs/a.db").write_bytes(b"a log")
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(32 * 2**20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "tree", image], check=True)
    sound = disk.check(image, tmp_path / "sound")
    assert (sound.is_clean, sound.is_repaired) == (True, False)
    with image.open("r+b") as file:
        file.seek(1024 + 44)  # the time of the last mount: in its first sector, the checksum in its second
        file.write(b"torn")
    torn = disk.check(image, tmp_path / "torn")
    assert (torn.is_clean, torn.is_repaired) == (True, True)
    assert (torn.logs / "a.db").read_bytes() == b"a log"


def test_f01_a_power_cut_of_a_machine_loses_at_most_max_loss_s(tmp_path: Path) -> None:
    """One cut, if a guest exists; `python -m tests.power_cuts` does 25."""
    if missing := missing_tools():
        pytest.skip(f"not installed: {', '.join(missing)}")
    guest = kept_guest(KEPT_GUEST)
    if guest is None:
        pytest.skip("there is no guest yet: `python -m tests.power_cuts` creates one in some minutes")
    outcome = Car.of_checkout(guest, tmp_path, seed=3, moments=2).cut()
    loss = outcome.loss
    print(f"F1: cut after {outcome.after_s:.1f} s, {loss.sent - loss.kept} frames, {loss.lost_s:.2f} s lost")
    assert outcome.is_sound, outcome
    assert outcome.sessions == 1
