"""Small real file systems: a tmpfs that tests fill to the last byte, and an ext4 image that fails."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """Mount a tmpfs at `place`. Skips the test with a reason if mounting is not possible."""
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("the program mount is not installed")
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Fill the file system of a folder to the last byte during the body."""
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            size = 1 << 20
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2
        yield
    finally:
        filler.unlink(missing_ok=True)


class CardImage:
    """An ext4 file system in a file, mounted at `place`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._image = place.with_name("card.img")
        with self._image.open("wb") as file:
            file.truncate(48 << 20)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        place.mkdir(parents=True)
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self._place))

    def fail(self) -> None:
        """Make every write fail with an I/O error, as after a hardware error of the card."""
        _run("mount", "-o", "remount,abort", str(self._place))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Block every write during the body, as a stuck card does; reads continue."""
        _run("fsfreeze", "--freeze", str(self._place))
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", str(self._place))

    def remount_repaired(self) -> None:
        """Repair a copy of the card and mount it over the old one. Open files still refer to the old image.

        There is no moment without a card, in which a recorder would begin another log in the empty folder.
        """
        repaired = self._image.with_name("repaired.img")
        shutil.copyfile(self._image, repaired)
        subprocess.run(["e2fsck", "-fy", str(repaired)], capture_output=True, check=False)
        self._image = repaired
        self._mount()

    def remove(self) -> None:
        """Unmount, even if files are open."""
        while self._place.is_mount():
            _run("umount", "-l", str(self._place))


@contextmanager
def card_image(place: Path) -> Iterator[CardImage]:
    """Mount an ext4 image at `place`. Skips the test with a reason if mounting is not possible."""
    try:
        image = CardImage(place)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"cannot mount an ext4 file system: {error}")
    try:
        yield image
    finally:
        image.remove()


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)
