"""A virtual Raspberry Pi 3 that boots an SD card's image.

QEMU has the Pi's card reader, USB host and serial ports, and a part of its firmware's interface. Kernel, initramfs and
command line are those of the card's FAT partition, and the device tree is that of the kernel's package. What QEMU does
not have: the firmware that loads these files, and the Wi-Fi chip. mac80211_hwsim, a simulated chip of the kernel, is
wlan0 instead.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.pi import roots
from tests.pi.partitions import fat
from tests.power_cuts.machine import Machine

_MODEL = "bcm2837-rpi-3-b.dtb"
_MACHINE = ("-M", "raspi3b", "-accel", "tcg", "-nodefaults", "-display", "none", "-no-reboot")
_KERNEL_ARGUMENTS = (
    "quiet console=ttyS1,115200 modules_load=mac80211_hwsim module_blacklist=bcm2835_wdt"
    " systemd.journald.forward_to_console=1 systemd.show_status=0"
)
"""Besides those of the card. QEMU resets the Pi when its watchdog is started, not when it is not fed."""


class Sockets(NamedTuple):
    """What the Pi is connected to: sockets of QEMU."""

    console: Path
    """Its header's serial port."""
    adapter: Path
    """The far end of the CAN adapter on its USB."""


@contextlib.contextmanager
def running(image: Path, folder: Path, sockets: Sockets) -> Iterator[Machine]:
    """The Pi with the kernel that the card's config.txt names, until the end of the body.

    `folder` is for what QEMU reads and writes.
    """
    command = [
        "qemu-system-aarch64",
        *_MACHINE,
        "-append",
        f"{_on_fat(image, 'cmdline.txt')} {_KERNEL_ARGUMENTS}",
    ]
    for option, name in _boot_files(image).items():
        roots.run("mcopy", "-n", "-o", "-i", fat(image), f"::{name}", str(folder / option))
        command += [f"-{option}", str(folder / option)]
    console = folder / "console"
    for path in (console, *sockets):
        path.unlink(missing_ok=True)
    command += ["-chardev", f"socket,id=console,path={sockets.console},server=on,wait=off,logfile={console}"]
    command += ["-serial", "null", "-serial", "chardev:console"]  # the second is the header's
    command += ["-drive", f"if=sd,format=raw,file={image}"]
    command += ["-chardev", f"socket,id=engine,path={sockets.adapter},server=on,wait=off"]
    command += ["-device", "usb-serial,port=1,chardev=engine,serial=engine"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield Machine(process, console)
    finally:
        process.kill()
        process.wait()


def _boot_files(image: Path) -> dict[str, str]:
    """The files on the FAT partition that QEMU loads, by its options."""
    files = {"dtb": _MODEL}
    for line in _on_fat(image, "config.txt").splitlines():
        if line.startswith("kernel="):
            files["kernel"] = line.removeprefix("kernel=")
        elif line.startswith("initramfs "):
            files["initrd"] = line.split()[1]
    return files


def _on_fat(image: Path, name: str) -> str:
    return roots.run("mtype", "-i", fat(image), f"::{name}").strip()
