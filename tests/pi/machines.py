"""A whole aarch64 machine that boots a root of roots.py: is installed, records by itself, survives cuts, is purged.

The adapters are FTDI chips of QEMU on USB. The logs are on a disk of their own. Between installation and purge the root
is read-only, as systemd/README.md describes it, and its disk refuses writes; so every cut starts from the same root.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.gps import epoch
from tests.pi import roots
from tests.pi.instructions import GPS_HZ
from tests.pi.namespaces import memory
from tests.power_cuts import pulse
from tests.power_cuts.__main__ import card, report
from tests.power_cuts.cuts import ITINERARY, Car
from tests.power_cuts.images import LOGS_MB, Board, Guest, filled, newest, run
from tests.power_cuts.machine import running, take_priority

BOARD = Board(
    "qemu-system-aarch64",
    ("-machine", "virt", "-cpu", "cortex-a53", "-smp", "2"),
    "ttyAMA0",
    ("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=pulse,name=pulse"),
    "fsck.repair=yes systemd.journald.forward_to_console=1",
)
_ROOT_MB, _PROGRAM_MB = 2500, 200
_HERE = Path(__file__).parent
_TASK_S = 1800.0
"""An emulated machine boots in one to two minutes, on a busy host in many."""
_OFF_S = 120.0
_FSTAB = """\
/dev/vda            /                 ext4   ro,noatime                                              0 1
LABEL=stagelog      /var/lib/stagelog ext4   rw,noatime,nofail,x-systemd.device-timeout=0            0 2
tmpfs               /tmp              tmpfs  size=128M                                               0 0
tmpfs               /var/tmp          tmpfs  size=128M                                               0 0
"""
_TASK_UNIT = """\
[Unit]
Description=task of this boot, from the disk of the test
[Service]
ExecStart=/bin/sh -c 'mount -o ro /dev/vdb /mnt && exec sh /mnt/task.sh'
StandardOutput=tty
StandardError=tty
TTYPath=/dev/console
[Install]
WantedBy=multi-user.target
"""
_DONE = "task done: "
"""The last line of a task that succeeded, on the console."""
_RECEIVED_BYTES = 1 << 20


class Receiver:
    """A GPS receiver on the guest's USB, at 10 Hz."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unplugged = threading.Event()
        self._number = 0

    def plug(self) -> None:
        """Appear; the machine may start before or after."""
        self._unplugged.clear()
        self._thread = threading.Thread(target=self._run, args=(pulse.connected(self._path),))
        self._thread.start()

    def unplug(self) -> None:
        """Disappear."""
        self._unplugged.set()
        self._thread.join()

    def _run(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setblocking(False)
            while not self._unplugged.wait(1 / GPS_HZ):
                self._number += 1
                with contextlib.suppress(BlockingIOError):  # a guest that does not read yet
                    connection.send(epoch(self._number, GPS_HZ))
                # QEMU stands still, with the whole machine, while it cannot write what the guest sends.
                with contextlib.suppress(BlockingIOError):
                    connection.recv(_RECEIVED_BYTES)


def cut(root: Path, cuts: int, seed: int, moments: int, keep: Path | None, built: Path | None) -> int:
    """Install the package, cut the power of the machine that records, purge. Returns the exit code."""
    with tempfile.TemporaryDirectory(dir=card() and memory()) as scratch:
        folder = Path(scratch)
        package = roots.build_packages(folder, built)[0]
        (folder / "stage.toml").write_text(ITINERARY)
        guest = _guest(root, folder)
        take_priority()
        _do(guest, folder, "install.sh", package, folder / "stage.toml")
        program(folder, _HERE / "pulse.sh", (pulse.PROGRAM,))
        receiver = Receiver(folder / "gps.socket")
        code = report(Car(guest, folder, seed, moments, keep, {"gps": receiver}), cuts)
        _do(guest, folder, "purge.sh")
        return code


def program(folder: Path, task: Path, files: Sequence[Path]) -> None:
    """Create the disk with the task of the next boot and its files."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for file in files:
            shutil.copy(file, scratch)
        shutil.copy(task, Path(scratch) / "task.sh")
        filled(folder / "program.ext4", Path(scratch), _PROGRAM_MB)


def _guest(root: Path, folder: Path) -> Guest:
    """The disks of a root, which does a task at each boot, and of the logs."""
    with roots.overlay(root) as changed:
        (changed / "etc/fstab").write_text(_FSTAB)
        (changed / "etc/systemd/system/task.service").write_text(_TASK_UNIT)
        wants = changed / "etc/systemd/system/multi-user.target.wants"
        (wants / "task.service").symlink_to("../task.service")
        boot = changed / "boot"
        guest = Guest(folder / "vmlinuz", folder / "initrd", folder / "root.ext4", BOARD, logs="/")
        shutil.copy(newest(boot, "vmlinuz-*"), guest.kernel)
        shutil.copy(newest(boot, "initrd.img-*"), guest.initrd)
        filled(guest.root, changed, _ROOT_MB)
    run("mkfs.ext4", "-q", "-L", "stagelog", str(folder / "logs.ext4"), f"{LOGS_MB}M")
    return guest


def _do(guest: Guest, folder: Path, task: str, *files: Path) -> None:
    """Boot with a writable root, and wait until a task is done and the machine has switched itself off."""
    began = time.monotonic()
    program(folder, _HERE / task, files)
    disks = (folder / "program.ext4", folder / "logs.ext4", folder / "journal")
    with running(guest, *disks, {}, is_root_writable=True) as machine:
        machine.wait_for_text(_DONE, _TASK_S)
        machine.wait_for_end(_OFF_S)
    reports = [line for line in machine.console_text().splitlines() if line.startswith(_DONE)]
    print(f"{reports[-1].removeprefix(_DONE)} ({time.monotonic() - began:.0f} s)", flush=True)
