"""Model a disk's content after a power cut, and check its file system.

QEMU keeps a journal of every write and flush that the guest sent to the logs' disk (its `blklogwrites` driver, in the
layout of Linux's dm-log-writes). A real card keeps what was flushed, and any part of later writes in any order:

    [superblock][entry: sector u64, sectors u64, flags u64, length u64][data][entry][data] ...   in sectors of 512 bytes
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_ENTRY = struct.Struct("<QQQQ")
_SECTOR_BYTES = 512
_FLUSH, _DISCARD = 1, 4
_KEPT = 0.5
"""Share of the unflushed writes that reached the card."""
_TORN = 0.1
"""Share of those that reached it only in part."""
_IN_FLIGHT_BYTES = 64 * 1024
"""More than QEMU writes to its journal at a time."""
E2FSCK_REPAIRED = 1
"""e2fsck's exit code after it replayed the journal or made a safe repair; higher codes need a person's decision."""


class Write(NamedTuple):
    """One write or flush, in the order in which the disk took them."""

    offset: int
    data: bytes
    is_flush: bool


def writes(journal: Path) -> Iterator[Write]:
    """The writes in QEMU's journal, without an incomplete last one.

    RuntimeError if more follows a hole: such a journal does not show what the guest had written.
    """
    with journal.open("rb") as file:
        at = _SECTOR_BYTES  # skip the superblock
        while True:
            file.seek(at)
            head = file.read(_ENTRY.size)
            if len(head) < _ENTRY.size:
                return
            sector, sectors, flags, _ = _ENTRY.unpack(head)
            if not sectors and not flags:
                if (beyond := journal.stat().st_size - at) > _IN_FLIGHT_BYTES:
                    raise RuntimeError(f"QEMU's journal has a hole at {at}, and {beyond} bytes after it")
                return
            at += _SECTOR_BYTES
            if flags & _DISCARD:
                continue
            file.seek(at)
            data = file.read(sectors * _SECTOR_BYTES)
            if len(data) < sectors * _SECTOR_BYTES:
                return
            at += sectors * _SECTOR_BYTES
            yield Write(sector * _SECTOR_BYTES, data, bool(flags & _FLUSH))


class Cut(NamedTuple):
    """Effect of a power cut on a disk: numbers of writes."""

    flushed: int
    kept: int
    lost: int


def cut_power(image: Path, journal: list[Write], rng: random.Random) -> Cut:
    """Change `image` from its state before `journal` to a possible state after a cut at the journal's end."""
    flushed = max((number for number, write in enumerate(journal) if write.is_flush), default=-1) + 1
    kept = lost = 0
    with image.open("r+b") as file:
        for number, write in enumerate(journal):
            data = write.data
            if number >= flushed and data:
                if rng.random() >= _KEPT:
                    lost += 1
                    continue
                kept += 1
                if rng.random() < _TORN:
                    data = data[: _SECTOR_BYTES * rng.randrange(len(data) // _SECTOR_BYTES)]
            file.seek(write.offset)
            file.write(data)
    return Cut(flushed, kept, lost)


class Checked(NamedTuple):
    """Result of e2fsck on an image, and the folder with its logs."""

    is_clean: bool
    is_repaired: bool
    """Whether it needed e2fsck -y: e2fsck -p does not repair a half-written superblock."""
    output: str
    logs: Path


def check(image: Path, folder: Path, logs: str = "/logs") -> Checked:
    """Repair a copy of `image`, check it again, and copy the folder `logs` on it to `folder`/logs.

    The repair is that of a Raspberry Pi's boot with fsck.repair=yes on the kernel's command line.
    """
    folder.mkdir()
    copy = folder / "image"
    copy_sparse(image, copy)
    repair, is_repaired = _e2fsck("-p", copy), False
    if repair.returncode > E2FSCK_REPAIRED:
        repair, is_repaired = _e2fsck("-y", copy), True
    whole = _e2fsck("-fn", copy)
    (folder / "dump").mkdir()
    dump = ["debugfs", "-R", f"rdump {logs} {folder / 'dump'}", str(copy)]
    subprocess.run(dump, capture_output=True, check=True)
    copy.unlink()
    is_clean = repair.returncode <= E2FSCK_REPAIRED and whole.returncode == 0
    output = "" if is_clean else f"{repair.stdout}{whole.stdout}".strip()
    return Checked(is_clean, is_repaired, output, folder / "dump" / Path(logs).name)


def _e2fsck(option: str, image: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["e2fsck", option, str(image)], capture_output=True, text=True, check=False)


def copy_sparse(image: Path, to: Path) -> None:
    """Copy an image as a sparse file."""
    subprocess.run(["cp", "--sparse=always", str(image), str(to)], check=True)
