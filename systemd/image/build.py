#!/usr/bin/env python3
"""Build an SD-card image: `sudo python3 systemd/image/build.py stagelog_VERSION_arm64.deb -o stagelog.img`.

    1  BOOT      FAT    firmware, kernel, stagelog-settings.txt: what any computer can edit
    2  root      ext4   Debian and stagelog; mounted read-only, so no power cut can damage it
    3  stagelog  ext4   the logs; grows to the end of the card at the first boot

It needs Debian with mmdebstrap, arch-test, qemu-user-static, dosfstools, mtools, e2fsprogs and fdisk; the package
mirror; and root. No image is mounted: the file systems are filled from folders.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGES = (
    "python3",
    "systemd-sysv",
    "systemd-resolved",
    "udev",
    "dbus",
    "kmod",
    "iproute2",
    "e2fsprogs",
    "fdisk",
    "linux-image-arm64",
    "initramfs-tools",
    "zstd",
    "hostapd",
    "wireless-regdb",
    "raspi-firmware",
    "firmware-brcm80211",
)
"""The last two are in Debian's non-free-firmware."""
OPTIONS = ("read-only-root", "journald", "hardware-watchdog", "socketcan")
"""Of `stagelog install --with`. The settings may name a CAN interface, and cannot install anything later."""
TOOLS = (
    "mmdebstrap",
    "arch-test",
    "qemu-aarch64-static",
    "mkfs.vfat",
    "mcopy",
    "mkfs.ext4",
    "sfdisk",
    "dpkg-deb",
)
CPU = "cortex-a53"
"""A Pi 3's. QEMU's own choice authenticates pointers, which takes four fifths of the time in Debian 13."""
MIB = 1 << 20
FIRST_MIB, BOOT_MIB, LOGS_MIB = 4, 256, 64
SPARE_MIB = 300
"""Free space on the root, for an update of the package."""
DISK_ID = "5374616c"
"""Of the partition table. fstab and the kernel's command line find the partitions by it."""
FIRMWARE = "boot/firmware"
FILES = {
    "stagelog-card.service": "etc/systemd/system/stagelog-card.service",
    "stagelog-grow.service": "etc/systemd/system/stagelog-grow.service",
    "grow-logs.sh": "usr/local/lib/stagelog/grow-logs.sh",
    "has-settings.sh": "usr/local/lib/stagelog/has-settings.sh",
    "wlan0.network": "etc/systemd/network/60-stagelog-wlan0.network",
    "ethernet.network": "etc/systemd/network/70-stagelog-ethernet.network",
    "fstab": "etc/fstab",
}
"""Files of this folder, and their paths in the root."""
EARLY_FILES = {
    "raspi-firmware": "etc/default/raspi-firmware",
    "raspi-extra-cmdline": "etc/default/raspi-extra-cmdline",
    "initramfs.conf": "etc/initramfs-tools/conf.d/stagelog",
    "initramfs-modules": "usr/share/initramfs-tools/modules.d/stagelog",
}
"""The same, for the scripts that run when the kernel's package is installed, and fill the boot partition."""
ENABLED = (
    "stagelog-card.service",
    "stagelog-grow.service",
    "hostapd@wlan0.service",
    "systemd-networkd.service",
)
MASKED = (
    "systemd-logind.service",
    "systemd-rfkill.service",
    "systemd-rfkill.socket",
    "systemd-networkd-persistent-storage.service",  # since Debian 13
)
"""They keep a state on the root, and fail when it cannot be written. Nobody logs in, or switches the radio, and the
networks are the same at each boot."""


def main(arguments: Sequence[str]) -> int:
    """Build an image. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Build an SD-card image of stagelog.")
    parser.add_argument("package", type=Path, help="stagelog's package for arm64, of systemd/debian/build.py")
    parser.add_argument("-o", "--output", type=Path, default=Path("stagelog.img"))
    parser.add_argument("--release", default="bookworm", help="Debian's release")
    parser.add_argument("--mirror", help="by default Debian's, with its security updates")
    options = parser.parse_args(arguments)
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if os.geteuid() != 0:
        missing.append("the rights of root")
    if missing:
        print(f"missing here: {', '.join(missing)}", file=sys.stderr)
        return 69
    os.environ.setdefault("QEMU_CPU", CPU)
    with tempfile.TemporaryDirectory(
        prefix="stagelog-image-", dir=options.output.resolve().parent
    ) as scratch:
        root = Path(scratch) / "root"
        make_root(root, options)
        pack(root, Path(scratch), options.output)
    print(options.output)
    return 0


def make_root(root: Path, options: argparse.Namespace) -> None:
    """Make the files of the card: Debian and the package by mmdebstrap, then what differs from a usual installation."""
    package = f"/tmp/{options.package.name}"  # noqa: S108 - in the new root
    run(
        "mmdebstrap",
        "--architectures=arm64",
        "--variant=minbase",
        "--components=main,non-free-firmware",
        f"--include={','.join(PACKAGES)}",
        "--dpkgopt=force-confold",  # EARLY_FILES instead of the package's own
        f"--setup-hook=mkdir -p $1/{FIRMWARE}",
        *(f"--setup-hook={copying(*file)}" for file in EARLY_FILES.items()),
        f"--customize-hook=copy-in {shlex.quote(str(options.package.resolve()))} /tmp",
        f"--customize-hook=chroot $1 apt-get install -y --no-install-recommends {package}",
        f"--customize-hook=chroot $1 stagelog install {' '.join(f'--with {name}' for name in OPTIONS)}",
        f"--customize-hook=rm $1{package}",
        *(f"--customize-hook={copying(*file)}" for file in FILES.items()),
        f"--customize-hook=chroot $1 systemctl enable {' '.join(ENABLED)}",
        f"--customize-hook=chroot $1 systemctl mask {' '.join(MASKED)}",
        options.release,
        str(root),
        *filter(None, [options.mirror]),
    )
    (root / "etc/hostname").write_text("stagelog\n")
    # A root that cannot be written would get a new one at each boot, and every boot would count as the first.
    (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (root / "var/lib/stagelog-crew").mkdir(exist_ok=True)


def copying(name: str, path: str) -> str:
    """The command of a hook that copies a file of this folder into the root."""
    return f"install -D -m 644 {shlex.quote(str(HERE / name))} $1/{path}"


def pack(root: Path, scratch: Path, image: Path) -> None:
    """Write the image of a root: three file systems behind a partition table."""
    boot = scratch / "boot"
    shutil.copytree(root / FIRMWARE, boot, symlinks=False)
    shutil.copyfile(HERE / "stagelog-settings.txt", boot / "stagelog-settings.txt")
    shutil.rmtree(root / FIRMWARE)
    (root / FIRMWARE).mkdir()
    parts = (
        (scratch / "boot.fat", BOOT_MIB),
        (scratch / "root.ext4", used_mib(root) * 11 // 10 + SPARE_MIB),
        (scratch / "logs.ext4", LOGS_MIB),
    )
    make_fat(*parts[0], boot)
    make_ext4(*parts[1], "root", "0:0", root)
    make_ext4(*parts[2], "stagelog", owner_of(root))
    table, at = ["label: dos", f"label-id: 0x{DISK_ID}"], FIRST_MIB
    with image.open("wb") as file:
        for (part, size), kind in zip(parts, ("c, bootable", "83", "83"), strict=True):
            table.append(f"start={at}MiB, size={size}MiB, type={kind}")
            file.seek(at * MIB)
            with part.open("rb") as source:
                while chunk := source.read(MIB):
                    if any(chunk):
                        file.write(chunk)
                    else:  # the image is a sparse file
                        file.seek(len(chunk), os.SEEK_CUR)
            at += size
        file.truncate(at * MIB)
    subprocess.run(["sfdisk", "--quiet", str(image)], input="\n".join(table), text=True, check=True)


def owner_of(root: Path) -> str:
    """The user and group of the logs, as numbers."""
    for line in (root / "etc/passwd").read_text().splitlines():
        name, _, user, group, *_ = line.split(":")
        if name == "stagelog":
            return f"{user}:{group}"
    raise SystemExit("the package created no user stagelog")


def used_mib(folder: Path) -> int:
    """Space that a folder takes."""
    done = subprocess.run(["du", "-sxm", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def make_fat(image: Path, mib: int, folder: Path) -> None:
    """A FAT file system with the files of a folder."""
    with image.open("wb") as file:
        file.truncate(mib * MIB)
    run("mkfs.vfat", "-F", "32", "-n", "BOOT", str(image))
    run("mcopy", "-s", "-i", str(image), *map(str, folder.iterdir()), "::")


def make_ext4(image: Path, mib: int, label: str, owner: str, folder: Path | None = None) -> None:
    """An ext4 file system, empty or with the files of a folder."""
    files = ("-d", str(folder)) if folder is not None else ()
    run("mkfs.ext4", "-q", "-L", label, "-E", f"root_owner={owner}", *files, str(image), f"{mib}M")


def run(*command: str) -> None:
    """Run a command; its output is shown. SystemExit if it fails."""
    done = subprocess.run(command, check=False, stdout=sys.stderr)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed with {done.returncode}; its messages are above")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
