"""Root file systems of Debian for a Raspberry Pi's processor, made once and kept in a folder.

debootstrap unpacks the packages, and their own scripts run under QEMU in user mode. A root has a kernel, so that the
same files boot as a whole machine. A step works on an overlay of a root, which stays as it is.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.pi.processors import CHECKOUT, Arm64
from tests.power_cuts.images import mirror

RELEASES = ("bookworm", "trixie")
"""Debian's releases of Raspberry Pi OS."""
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4", "crc32c_generic", "vfat", "nls_ascii")
PACKAGES = (
    "python3",
    "systemd-sysv",
    "udev",
    "dbus",
    "kmod",
    "iproute2",
    "e2fsprogs",
    "linux-image-arm64",
    "initramfs-tools",
    "zstd",
)
_MADE_OF = "stagelog-made-of"
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}


def kept_root(folder: Path, release: str) -> Path | None:
    """The root in `folder`, or None if there is none or its packages differ."""
    made_of = folder / release / _MADE_OF
    return made_of.parent if made_of.exists() and made_of.read_text() == " ".join(PACKAGES) else None


def make_root(folder: Path, release: str) -> Path:
    """Make the root of a Debian release. Takes some minutes and 1 GB, and needs root."""
    root = folder / release
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    source = mirror()
    include = f"--include={','.join(PACKAGES)}"
    options = ("--foreign", "--arch=arm64", "--variant=minbase", f"--keyring={_KEYRING}", include)
    run("debootstrap", *options, release, str(root), source)
    for name, text in (
        ("etc/initramfs-tools/conf.d/small", "MODULES=list\nBUSYBOX=auto\n"),
        ("usr/share/initramfs-tools/modules.d/stagelog", "\n".join(_BOOT_MODULES) + "\n"),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    run(*Arm64(root).command(("/bin/sh", "/debootstrap/debootstrap", "--second-stage")))
    (root / "etc/apt/sources.list").write_text(f"deb {source} {release} main\n")
    (root / _MADE_OF).write_text(" ".join(PACKAGES))
    return root


@contextlib.contextmanager
def overlay(root: Path) -> Iterator[Path]:
    """A copy of a root that can be changed, and is gone after the body."""
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        upper, work, merged = (Path(scratch) / name for name in ("upper", "work", "merged"))
        for folder in (upper, work, merged):
            folder.mkdir(mode=0o755)
        layers = f"lowerdir={root},upperdir={upper},workdir={work}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(merged))
        try:
            yield merged
        finally:
            run("umount", str(merged))


def build_packages(folder: Path, *, with_review: bool) -> list[Path]:
    """Build the arm64 packages of this checkout."""
    build = [
        sys.executable,
        str(CHECKOUT / "systemd/debian/build.py"),
        "--architecture=arm64",
        "-o",
        str(folder),
    ]
    run(*build, *([] if with_review else ["--without-review"]), environment=None)
    return sorted(folder.glob("*.deb"))


def run(*command: str, environment: dict[str, str] | None = _ENVIRONMENT) -> str:
    """Run a command and return its output. SystemExit with the end of its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:8])}: {(done.stderr + done.stdout)[-1500:]}")
    return done.stdout
