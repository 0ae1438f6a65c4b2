"""What a disk holds after its power was cut, and whether that is whole.

QEMU keeps a journal of every write and flush that the guest sent to the logs' disk (its `blklogwrites` driver, in the
layout of Linux's dm-log-writes). A real card keeps what was flushed; of what came after, any part, in any order:

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
"""Of the writes that no flush had followed, this share reached the card."""
_TORN = 0.1
"""And this share of those only in part."""
_IN_FLIGHT_BYTES = 64 * 1024
"""More than QEMU writes down at a time."""
E2FSCK_MENDED = 1
"""e2fsck's exit code when it replayed the journal or put something right by itself; above, a person is needed."""


class Write(NamedTuple):
    """One write or flush, in the order in which the disk took them."""

    offset: int
    data: bytes
    is_flush: bool


def writes(journal: Path) -> Iterator[Write]:
    """What QEMU wrote down; what it had not finished writing down is left out.

    RuntimeError where much follows a hole: such a journal says nothing of what the disk had been given.
    """
    with journal.open("rb") as file:
        at = _SECTOR_BYTES  # the superblock is written with the first flush, and its count with each: not needed
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
    """What a power cut did to a disk, in writes."""

    flushed: int
    kept: int
    lost: int


def cut_power(image: Path, journal: list[Write], chance: random.Random) -> Cut:
    """Bring `image`, as it was before `journal`, to what it may be after a cut at the journal's end."""
    flushed = max((number for number, write in enumerate(journal) if write.is_flush), default=-1) + 1
    kept = lost = 0
    with image.open("r+b") as file:
        for number, write in enumerate(journal):
            data = write.data
            if number >= flushed and data:
                if chance.random() >= _KEPT:
                    lost += 1
                    continue
                kept += 1
                if chance.random() < _TORN:
                    data = data[: _SECTOR_BYTES * chance.randrange(len(data) // _SECTOR_BYTES)]
            file.seek(write.offset)
            file.write(data)
    return Cut(flushed, kept, lost)


class Checked(NamedTuple):
    """What e2fsck says of an image, and where the logs in it were put."""

    is_clean: bool
    is_repaired: bool
    """Whether it took e2fsck -y: a superblock of which half was written is more than e2fsck -p puts right."""
    said: str
    logs: Path


def check(image: Path, folder: Path) -> Checked:
    """Mend a copy of `image` as a boot does, look whether it is whole then, and take the logs out of it.

    As a Raspberry's boot does: with fsck.repair=yes on the kernel's command line.
    """
    folder.mkdir()
    copy = folder / "image"
    copy_sparse(image, copy)
    said, is_repaired = _e2fsck("-p", copy), False
    if said.returncode > E2FSCK_MENDED:
        said, is_repaired = _e2fsck("-y", copy), True
    whole = _e2fsck("-fn", copy)
    dump = ["debugfs", "-R", f"rdump /logs {folder}", str(copy)]
    subprocess.run(dump, capture_output=True, check=True)
    copy.unlink()
    is_clean = said.returncode <= E2FSCK_MENDED and whole.returncode == 0
    told = "" if is_clean else f"{said.stdout}{whole.stdout}".strip()
    return Checked(is_clean, is_repaired, told, folder / "logs")


def _e2fsck(option: str, image: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["e2fsck", option, str(image)], capture_output=True, text=True, check=False)


def copy_sparse(image: Path, to: Path) -> None:
    """Copy an image, its holes left out."""
    subprocess.run(["cp", "--sparse=always", str(image), str(to)], check=True)
