"""USB sticks: small file systems of every kind available on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.field_failures.small_disk import small_disk

STICK_MB = 12


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """The car's log directory."""
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Path]:
    """A stick in a RAM disk."""
    with small_disk(tmp_path / "stick", STICK_MB) as place:
        yield place


@contextmanager
def image(path: Path, kind: str, *options: str, megabytes: int = STICK_MB) -> Iterator[str]:
    """A formatted image behind a loop device. Skips, with the reason, if that is unavailable."""
    formatter = shutil.which(f"mkfs.{kind}", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if formatter is None or os.geteuid() != 0:
        pytest.skip(f"needs root and mkfs.{kind}")
    path.touch()
    os.truncate(path, megabytes << 20)
    subprocess.run([formatter, *options, str(path)], check=True, capture_output=True)
    found = subprocess.run(
        ["losetup", "--find", "--show", str(path)], capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(f"no loop device here: {found.stderr.strip()}")
    device = found.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


@contextmanager
def plugged(place: Path, kind: str) -> Iterator[Path]:
    """A stick of a given file system, mounted as the service mounts it; exFAT by FUSE if the kernel lacks it."""
    options = ["-o", "uid=0,gid=0,umask=0077"] if kind != "ext4" else []
    place.mkdir()
    with image(place.with_suffix(".img"), kind) as device:
        mount = subprocess.run(
            ["mount", "-t", kind, *options, device, str(place)], capture_output=True, text=True, check=False
        )
        if mount.returncode and kind == "exfat" and shutil.which("mount.exfat-fuse"):
            mount = subprocess.run(
                ["mount.exfat-fuse", device, str(place), *options],
                capture_output=True,
                text=True,
                check=False,
            )
        if mount.returncode:
            pytest.skip(f"no {kind} here: {mount.stderr.strip()}")
        try:
            yield place
        finally:
            with suppress(subprocess.CalledProcessError):
                subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)
