"""A whole aarch64 machine that boots a root of roots.py: installs the package, records by itself, survives power cuts.

Its adapters are FTDI chips of QEMU on USB. The logs are on a disk of their own. After the installation the root is
read-only, as systemd/README.md describes it, and its disk refuses writes; so every cut starts from the same root.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.gps import epoch
from tests.pi import roots
from tests.pi.instructions import GPS_HZ
from tests.power_cuts.__main__ import card, report
from tests.power_cuts.cuts import ITINERARY, RATE, Car
from tests.power_cuts.images import Board, Guest, filled, make_blank, newest, run
from tests.power_cuts.machine import Adapter, Plug, running
from tests.power_cuts.pulse import connected

BOARD = Board(
    "qemu-system-aarch64",
    ("-machine", "virt", "-cpu", "cortex-a53", "-smp", "2"),
    "ttyAMA0",
    ("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=pulse,name=pulse"),
)
_ROOT_MB, _PROGRAM_MB = 2500, 200
_HERE = Path(__file__).parent
_TASK_S = 1800.0
"""An emulated machine boots in one to two minutes, and compiles the package's Python files in some."""
_OFF_S = 120.0
_FSTAB = """\
/dev/vda            /                 ext4   ro,noatime                                              0 1
LABEL=stagelog      /var/lib/stagelog ext4   rw,noatime,nofail,x-systemd.device-timeout=0            0 2
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
_PULSE = _HERE.parent / "power_cuts" / "pulse.py"


class Receiver:
    """A GPS receiver on the guest's USB, at 10 Hz."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unplugged = threading.Event()
        self._number = 0

    def plug(self) -> None:
        """Appear; the machine may start before or after."""
        self._unplugged.clear()
        self._thread = threading.Thread(target=self._run, args=(connected(self._path),))
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


def cut(root: Path, cuts: int, seed: int, moments: int, keep: Path | None) -> int:
    """Install in a machine, cut its power, purge; print each. Returns the exit code."""
    with tempfile.TemporaryDirectory(dir=card()) as scratch:
        folder = Path(scratch)
        guest = _guest(root, folder)
        package = roots.build_packages(folder, with_review=False)[0]
        blank(folder / "logs.ext4")
        receiver = Receiver(folder / "gps.socket")
        adapter = Adapter(folder / "engine.socket", RATE)
        itinerary = folder / "stage.toml"
        itinerary.write_text(ITINERARY)
        _do(guest, folder, "install.sh", (package, itinerary), {"engine": adapter, "gps": receiver})
        program(folder, _HERE / "pulse.sh", (_PULSE,))
        code = report(Car(guest, folder, seed, moments, keep, {"gps": receiver}), cuts)
        _do(guest, folder, "purge.sh", (), {})
        return code


def program(folder: Path, task: Path, files: Sequence[Path]) -> None:
    """Create the disk with the task of the next boot and its files."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for file in files:
            shutil.copy(file, scratch)
        shutil.copy(task, Path(scratch) / "task.sh")
        filled(folder / "program.ext4", Path(scratch), _PROGRAM_MB)


def blank(image: Path) -> None:
    """Create an empty disk for the logs, with their label."""
    make_blank(image)
    run("e2label", str(image), "stagelog")


def _guest(root: Path, folder: Path) -> Guest:
    """The disk of a root that does a task at each boot."""
    with roots.overlay(root) as changed:
        (changed / "etc/fstab").write_text(_FSTAB)
        (changed / "etc/systemd/system/task.service").write_text(_TASK_UNIT)
        wants = changed / "etc/systemd/system/multi-user.target.wants"
        (wants / "task.service").symlink_to("../task.service")
        (changed / "var/lib/stagelog").mkdir()
        boot = changed / "boot"
        guest = Guest(folder / "vmlinuz", folder / "initrd", folder / "root.ext4", BOARD, logs="/")
        shutil.copy(newest(boot, "vmlinuz-*"), guest.kernel)
        shutil.copy(newest(boot, "initrd.img-*"), guest.initrd)
        filled(guest.root, changed, _ROOT_MB)
    return guest


def _do(guest: Guest, folder: Path, task: str, files: Sequence[Path], plugs: Mapping[str, Plug]) -> None:
    """Boot with a writable root, and wait until the task has succeeded and switched the machine off."""
    began = time.monotonic()
    program(folder, _HERE / task, files)
    sockets = {name: folder / f"{name}.socket" for name in plugs}
    disks = (folder / "program.ext4", folder / "logs.ext4", folder / "journal")
    with running(guest, *disks, sockets, is_root_writable=True) as machine:
        try:
            for plug in plugs.values():
                plug.plug()
            machine.wait_for_text(_DONE, _TASK_S)
            machine.wait_for_end(_OFF_S)
        finally:
            for plug in plugs.values():
                plug.unplug()
    reports = [line for line in machine.console_text().splitlines() if line.startswith(_DONE)]
    print(f"{task}: {reports[-1].removeprefix(_DONE)} ({time.monotonic() - began:.0f} s)", flush=True)
