"""Root file systems of Debian for a Raspberry Pi's processor, made once and kept in a folder.

mmdebstrap unpacks the packages, and their own scripts run under QEMU in user mode. A 64-bit root has a kernel, so that
the same files boot as a whole machine. A step works on an overlay of a root, which stays as it is.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.pi.processors import CHECKOUT, in_root
from tests.power_cuts.images import mirror

RELEASES = ("bookworm", "trixie")
"""Debian's releases of Raspberry Pi OS."""
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_INITRAMFS = {
    "etc/initramfs-tools/conf.d/small": "MODULES=list\nBUSYBOX=auto\n",
    "usr/share/initramfs-tools/modules.d/stagelog": "virtio_pci\nvirtio_blk\next4\ncrc32c_generic\n",
}
_PACKAGES = ("python3", "python3-venv", "systemd-sysv", "udev", "dbus", "kmod", "iproute2", "e2fsprogs")
_KERNELS = {"arm64": ("linux-image-arm64", "initramfs-tools", "zstd"), "armhf": ()}
"""What a root boots with. No step boots a 32-bit one."""
_NATIVE_PACKAGES = ("python3", "python3-venv", "ca-certificates", "sqlite3", "procps", "git")
_MADE_OF = "stagelog-made-of"
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}
"""Of programs in a root."""


class Debian(NamedTuple):
    """A Debian of Raspberry Pi OS."""

    release: str
    architecture: str

    @property
    def packages(self) -> tuple[str, ...]:
        """Besides the essential ones."""
        return (*_PACKAGES, *_KERNELS[self.architecture])

    def root(self, folder: Path) -> Path:
        """Where its root is kept in `folder`."""
        return folder / f"{self.release}-{self.architecture}"


def kept_root(folder: Path, debian: Debian) -> Path | None:
    """The root in `folder`, or None if there is none or its packages differ."""
    made_of = debian.root(folder) / _MADE_OF
    is_current = made_of.exists() and made_of.read_text() == " ".join(debian.packages)
    return made_of.parent if is_current else None


def make_root(folder: Path, debian: Debian) -> Path:
    """Make the root of a Debian. Takes some minutes and 1 GB, and needs root."""
    root = debian.root(folder)
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        hooks = []
        for path, text in _INITRAMFS.items():
            (Path(scratch) / Path(path).name).write_text(text)
            hooks.append(f"--setup-hook=install -D -m 644 {scratch}/{Path(path).name} $1/{path}")
        include = f"--include={','.join(debian.packages)}"
        making = [
            "mmdebstrap",
            f"--architectures={debian.architecture}",
            "--variant=minbase",
            include,
            *hooks,
        ]
        making += [debian.release, str(root), mirror()]
        run(*in_root(Path("/"), making, architecture=debian.architecture))
    (root / _MADE_OF).write_text(" ".join(debian.packages))
    return root


def native_root(folder: Path, release: str) -> Path:
    """A root of a Debian release for this machine's own processor, made if there is none yet."""
    root = folder / f"{release}-native"
    made_of = root / _MADE_OF
    if not made_of.exists():
        shutil.rmtree(root, ignore_errors=True)
        options = ("--variant=minbase", f"--keyring={_KEYRING}", f"--include={','.join(_NATIVE_PACKAGES)}")
        # debootstrap knows releases by a script of each; that of sid suits those that are newer than itself.
        run("debootstrap", *options, release, str(root), mirror(), "/usr/share/debootstrap/scripts/sid")
        made_of.write_text(" ".join(_NATIVE_PACKAGES))
    return root


@contextlib.contextmanager
def overlay(root: Path) -> Iterator[Path]:
    """A copy of a root that can be changed, and is gone after the body."""
    with tempfile.TemporaryDirectory() as scratch:
        upper, work, merged = (Path(scratch) / name for name in ("upper", "work", "merged"))
        for folder in (upper, work, merged):
            folder.mkdir(mode=0o755)
        layers = f"lowerdir={root},upperdir={upper},workdir={work}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(merged))
        try:
            yield merged
        finally:
            run("umount", str(merged))


def build_packages(folder: Path, built: Path | None = None, architecture: str = "arm64") -> list[Path]:
    """Build the packages of this checkout, or take those in the folder `built`: stagelog, stagelog-review.

    There is no stagelog-review for armhf.
    """
    pattern = f"*_{architecture}.deb"
    if built is not None:
        return [Path(shutil.copy(package, folder)) for package in sorted(built.glob(pattern), reverse=True)]
    script = str(CHECKOUT / "systemd/debian/build.py")
    run(sys.executable, script, f"--architecture={architecture}", "-o", str(folder), environment=None)
    return sorted(folder.glob(pattern), reverse=True)


def run(*command: str, environment: dict[str, str] | None = ENVIRONMENT) -> str:
    """Run a command and return its output. SystemExit with the end of its output if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:8])}: {(done.stderr + done.stdout)[-1500:]}")
    return done.stdout
