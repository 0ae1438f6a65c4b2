"""Create the virtual machine's disks: Debian, the program of this checkout, and blank logs.

Debian is created once and kept in a folder; the program's disk is created for every run. No image is mounted on the
host: mkfs.ext4 fills them from folders.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

_PACKAGES = ("linux-image-amd64", "initramfs-tools", "zstd", "python3", "e2fsprogs", "kmod", "iproute2")
_MADE_OF = "packages"
_BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic")
_INIT = "#!/bin/sh\nmount -o ro /dev/vdb /opt && exec sh /opt/init.sh\n"
_ROOT_MB, _PROGRAM_MB, LOGS_MB = 1500, 600, 256
_HERE = Path(__file__).parent
_CHECKOUT = _HERE.parents[1]

CONFIG = """
[car]
number = 501

[log]
directory = "/var/lib/stagelog/logs"
max_loss_s = 1.0
min_free_mb = 16

[[can]]
name = "engine"
port = "/dev/ttyUSB0"
protocol = "slcan"
baud = 2000000
bitrate = 500000

[stage]
itinerary = "stage.toml"

[live]
socket = "/run/stagelog/live.sock"
"""
SECOND_ADAPTER = """
[[can]]
name = "body"
port = "/dev/ttyUSB1"
protocol = "slcan"
baud = 2000000
bitrate = 500000
"""


class Board(NamedTuple):
    """A computer of QEMU without its disks and USB devices."""

    qemu: str
    machine: tuple[str, ...]
    console: str
    """Linux's name of its first serial port."""
    pulse: tuple[str, ...]
    """QEMU's options for the channel of pulse.py, which ends at the character device `pulse`."""
    kernel_arguments: str = ""


PC = Board(
    "qemu-system-x86_64",
    ("-machine", "q35", "-cpu", "max", "-smp", "1"),
    "ttyS0",
    ("-serial", "chardev:pulse"),
)


class Guest(NamedTuple):
    """Files that a machine boots from."""

    kernel: Path
    initrd: Path
    root: Path
    board: Board = PC
    logs: str = "/logs"
    """The folder of the logs on their disk."""

    @property
    def is_whole(self) -> bool:
        """Whether its files exist."""
        return self.kernel.exists() and self.initrd.exists() and self.root.exists()


def missing_tools() -> list[str]:
    """Programs that the power cuts need and that are not installed."""
    needed = (PC.qemu, "debootstrap", "mkfs.ext4", "e2fsck", "debugfs")
    return [tool for tool in needed if shutil.which(tool) is None]


def kept_guest(folder: Path) -> Guest | None:
    """The guest in `folder`, or None if there is none or its packages differ."""
    guest = Guest(folder / "vmlinuz", folder / "initrd", folder / "root.ext4")
    made_of = folder / _MADE_OF
    is_current = made_of.exists() and made_of.read_text() == " ".join(_PACKAGES)
    return guest if guest.is_whole and is_current else None


def make_guest(folder: Path) -> Guest:
    """Create a guest with this machine's Debian release and mirror. Takes some minutes and 1 GB, and needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        root = Path(scratch) / "root"
        include = f"--include={','.join(_PACKAGES)}"
        run("debootstrap", "--variant=minbase", include, _release(), str(root), mirror())
        (root / "etc/initramfs-tools/conf.d/small").write_text("MODULES=list\nBUSYBOX=auto\n")
        (root / "etc/initramfs-tools/modules").write_text("\n".join(_BOOT_MODULES) + "\n")
        run("chroot", str(root), "update-initramfs", "-u", "-k", "all")
        init = root / "sbin/init"
        init.unlink(missing_ok=True)
        init.write_text(_INIT)
        init.chmod(0o755)
        (root / "var/lib/stagelog").mkdir(parents=True)
        shutil.rmtree(root / "var/cache/apt")
        shutil.rmtree(root / "var/lib/apt/lists")
        guest = Guest(folder / "vmlinuz", folder / "initrd", folder / "root.ext4")
        shutil.copy(newest(root / "boot", "vmlinuz-*"), guest.kernel)
        shutil.copy(newest(root / "boot", "initrd.img-*"), guest.initrd)
        filled(guest.root, root, _ROOT_MB)
        (folder / _MADE_OF).write_text(" ".join(_PACKAGES))
    return guest


def make_program(
    image: Path,
    itinerary: str,
    config: str = CONFIG,
    init: str = "init.sh",
    more: Iterable[str] = ("pulse.py",),
) -> None:
    """Create a disk with this checkout, its libraries, the configuration, the init script and `more` files."""
    with tempfile.TemporaryDirectory(dir=image.parent) as scratch:
        folder = Path(scratch)
        for package in ("firmware_bridge", "logger"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(_CHECKOUT / package, folder / "checkout" / package, ignore=ignored)
        project = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text())["project"]
        for distribution in _libraries(project["dependencies"], set()):
            for file in distribution.files or ():
                if ".." not in file.parts and "__pycache__" not in file.parts:
                    target = folder / "site" / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(Path(str(file.locate())), target)
        metadata_file = folder / "site" / f"stagelog-{metadata.version('stagelog')}.dist-info" / "METADATA"
        metadata_file.parent.mkdir()
        metadata_file.write_text(str(metadata.distribution("stagelog").read_text("METADATA")))
        (folder / "stagelog.toml").write_text(config)
        (folder / "stage.toml").write_text(itinerary)
        shutil.copy(_HERE / init, folder / "init.sh")
        for name in more:
            shutil.copy(_HERE / name, folder)
        filled(image, folder, _PROGRAM_MB)


def make_blank(image: Path) -> None:
    """Create an empty file system for the logs."""
    with tempfile.TemporaryDirectory(dir=image.parent) as empty:
        filled(image, Path(empty), LOGS_MB)


def filled(image: Path, folder: Path, megabytes: int) -> None:
    """Create an ext4 file system with the files of a folder."""
    image.unlink(missing_ok=True)
    run("mkfs.ext4", "-q", "-d", str(folder), str(image), f"{megabytes}M")


def _libraries(requirements: Iterable[str], seen: set[str]) -> Iterator[metadata.Distribution]:
    """The distributions of requirements and of their own requirements, without extras."""
    for requirement in requirements:
        bare, marker = re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0], requirement.partition(";")[2]
        if bare.lower() in seen or "extra" in marker:
            continue
        seen.add(bare.lower())
        try:
            distribution = metadata.distribution(bare)
        except metadata.PackageNotFoundError:
            continue  # for another platform
        yield distribution
        yield from _libraries(distribution.requires or (), seen)


def _release() -> str:
    """This machine's Debian release."""
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def mirror() -> str:
    """The package mirror of this machine. It has Debian's other releases too."""
    release = _release()
    layout = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    targets = run("apt-get", "indextargets", "--format", layout, "Created-By: Packages")
    for line in targets.splitlines():
        uri, codename, component = line.split()
        if (codename, component) == (release, "main"):
            return uri
    raise SystemExit(f"apt has no source for Debian {release}; add one to sources.list")


def newest(folder: Path, pattern: str) -> Path:
    """The newest file that matches."""
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime)


def run(*command: str) -> str:
    """Run a command and return its output; the end of it with its errors if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]}: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout
