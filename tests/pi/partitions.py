"""The partitions of a card's image, read and changed without mounting them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

BOOT, ROOT, LOGS = 1, 2, 3
"""Their numbers."""
_SECTOR_BYTES, _CHUNK_BYTES = 512, 1 << 20


def place(image: Path, partition: int) -> tuple[int, int]:
    """Start and size of a partition, in bytes."""
    done = subprocess.run(["sfdisk", "--dump", str(image)], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(str(image))]
    fields = lines[partition - 1].partition(":")[2].split(",")[:2]
    start, size = (int(field.partition("=")[2]) * _SECTOR_BYTES for field in fields)
    return start, size


def content(image: Path, partition: int) -> Iterator[bytes]:
    """The bytes of a partition, in chunks."""
    start, size = place(image, partition)
    with image.open("rb") as file:
        file.seek(start)
        for at in range(0, size, _CHUNK_BYTES):
            yield file.read(min(_CHUNK_BYTES, size - at))


def change(image: Path, partition: int, *commands: str) -> None:
    """Change an ext4 partition by commands of debugfs. RuntimeError if one fails."""
    at = f"{image}?offset={place(image, partition)[0]}"
    lines = "".join(f"{command}\n" for command in commands)
    done = subprocess.run(
        ["debugfs", "-w", "-f", "-", at], input=lines, capture_output=True, text=True, check=True
    )
    _, *errors = done.stderr.splitlines()  # the first line is its version; its exit code is 0 with errors
    if errors:
        raise RuntimeError(f"debugfs: {'; '.join(errors)}")


def fat(image: Path) -> str:
    """The FAT partition, as mtools name it."""
    return f"{image}@@{place(image, BOOT)[0]}"
