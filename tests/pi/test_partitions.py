"""Partitions of an image: files are added to an ext4 partition without a mount."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pi.partitions import ROOT, change, content

MIB = 1 << 20
TOOLS = ("sfdisk", "mkfs.ext4", "debugfs", "e2fsck")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image whose second partition has an empty file system."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    image = tmp_path / "a card.img"
    with image.open("wb") as file:
        file.truncate(8 * MIB)
    table = "start=1MiB, size=1MiB, type=c\nstart=2MiB, size=4MiB, type=83\n"
    subprocess.run(["sfdisk", "--quiet", str(image)], input=table, text=True, check=True)
    subprocess.run(["mkfs.ext4", "-q", "-E", f"offset={2 * MIB}", str(image), "4M"], check=True)
    return image


def test_a_file_is_added_to_a_partition(image: Path, tmp_path: Path) -> None:
    added = tmp_path / "a unit"
    added.write_text("[Service]\n")
    change(image, ROOT, "mkdir etc", "cd etc", f'write "{added}" unit', "symlink link unit")
    partition = tmp_path / "partition"
    partition.write_bytes(b"".join(content(image, ROOT)))
    subprocess.run(["e2fsck", "-fn", str(partition)], check=True)
    read = ["debugfs", "-R", "cat /etc/unit", str(partition)]
    assert subprocess.run(read, capture_output=True, text=True, check=True).stdout == "[Service]\n"


def test_a_command_that_fails_is_reported(image: Path) -> None:
    with pytest.raises(RuntimeError, match="not found"):
        change(image, ROOT, "cd nowhere")
