"""Real file systems of a few megabytes: one to be filled to the last byte, one to be shut down by the kernel."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """Mounted at `place`; skips, with the reason, where nobody may mount."""
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode:
        pytest.skip(f"no small file system may be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """The file system of a folder has no byte left."""
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
        """From here on every write is an I/O error, as after errors of the card itself."""
        _run("mount", "-o", "remount,abort", str(self._place))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Whoever writes waits, without end, as for a card that is stuck; readers do not."""
        _run("fsfreeze", "--freeze", str(self._place))
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", str(self._place))

    def come_back_repaired(self) -> None:
        """What is on the card at this moment, repaired and mounted where it was; whoever has it open keeps the old."""
        self.remove()
        repaired = self._image.with_name("repaired.img")
        shutil.copyfile(self._image, repaired)
        subprocess.run(["e2fsck", "-fy", str(repaired)], capture_output=True, check=False)
        self._image = repaired
        self._mount()

    def remove(self) -> None:
        """Unmounted, though somebody may have files open."""
        _run("umount", "-l", str(self._place))


@contextmanager
def card_image(place: Path) -> Iterator[CardImage]:
    """Mounted at `place`; skips, with the reason, where nobody may mount."""
    try:
        image = CardImage(place)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no ext4 file system may be mounted here: {error}")
    try:
        yield image
    finally:
        image.remove()


def _run(*command: str) -> None:
    subprocess.run(command, capture_output=True, check=True)
