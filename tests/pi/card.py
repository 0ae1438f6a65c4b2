"""The SD-card image on a virtual machine: built by its recipe, set up by a file on its FAT partition, records."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from logger.install.card import RESULT, SETTINGS
from logger.logfile.verify import verify
from tests.pi import roots
from tests.pi.machines import BOARD
from tests.pi.processors import CHECKOUT, in_root
from tests.power_cuts import disk
from tests.power_cuts.cuts import RATE
from tests.power_cuts.machine import Adapter, Machine

_RECIPE = CHECKOUT / "systemd/image/build.py"
_CARD_MB = 3000
_BOOT = "4M"
"""Where the recipe puts the FAT partition."""
_KERNEL_ARGUMENTS = (
    f"root=LABEL=root ro console={BOARD.console} panic=-1 fsck.repair=yes"
    " modules_load=mac80211_hwsim systemd.journald.forward_to_console=1"
)
"""mac80211_hwsim is the kernel's simulated Wi-Fi, so that hostapd has an interface wlan0."""
_RIGHT = """\
number = 501
pin = "jaune-2468"
can_port = "/dev/ttyUSB0"
gps_port = "none"
wifi_name = "car 501"
wifi_password = "desert wind"
wifi_country = "SA"
"""
_WRONG = 'number = "five"\npin = "1234"\n'
_BOOT_S, _RECORDED_S = 900.0, 8.0


def try_card(image: Path | None, built: Path | None, release: str) -> bool:
    """Build an image, or take one, and boot it with right and with wrong settings. Prints a line each."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        folder = Path(scratch)
        if image is None:
            image = folder / "stagelog.img"
            package = roots.build_packages(folder, built)[0]
            began = time.monotonic()
            recipe = [sys.executable, str(_RECIPE), str(package), "-o", str(image), "--release", release]
            roots.run(*in_root(Path("/"), [*recipe, "--board=virt"]))
            print(
                f"image: {image.stat().st_size // 1_000_000} MB ({time.monotonic() - began:.0f} s)",
                flush=True,
            )
        card = folder / "card.img"
        disk.copy_sparse(image, card)
        with card.open("r+b") as file:
            file.truncate(_CARD_MB * 1_000_000)
        adapter = Adapter(folder / "engine.socket", RATE)
        for title, settings in (("right settings", _RIGHT), ("wrong settings", _WRONG), ("no settings", "")):
            print(f"{title}: {_boot(card, folder, adapter, settings)}", flush=True)
    return True


def _boot(card: Path, folder: Path, adapter: Adapter, settings: str) -> str:
    """Boot with a settings file, record for some seconds, cut the power. Returns what is then on the card."""
    fat = f"{card}@@{_BOOT}"
    if settings:
        (folder / SETTINGS).write_text(settings)
        roots.run("mcopy", "-o", "-i", fat, str(folder / SETTINGS), "::")
    began = time.monotonic()
    with _running(card, folder) as machine:
        try:
            adapter.plug()
            while adapter.opened_at is None:
                if not machine.is_running() or time.monotonic() > began + _BOOT_S:
                    raise RuntimeError(f"the bus was not opened:\n{machine.console_text()[-3000:]}")
                time.sleep(0.1)
            opened_s = time.monotonic() - began
            machine.wait_for_text("wlan0: AP-ENABLED", _BOOT_S)
            time.sleep(_RECORDED_S)
            machine.cut_power()
        finally:
            adapter.unplug()
    result = subprocess.run(["mtype", "-i", fat, f"::{RESULT}"], capture_output=True, text=True, check=True)
    listing = roots.run("mdir", "-b", "-i", fat, "::")
    logs = folder / "logs.ext4"
    start, size = _partition(card, 3)
    with card.open("rb") as source, logs.open("wb") as target:
        source.seek(start)
        target.write(source.read(size))
    checked = disk.check(logs, folder / f"checked-{began}", "/")
    found = sorted(checked.logs.glob("*.db"))
    problems = [problem for log in found for problem in verify(log)]
    assert found and not problems and checked.is_clean, f"{found} {problems} {checked.output}"
    forgotten = "settings removed" if SETTINGS not in listing else "settings still there"
    return (
        f"{result.stdout.strip()} | {forgotten}; bus open after {opened_s:.0f} s; {len(found)} logs, all whole,"
        f" on {size // 1_000_000} MB"
    )


def _partition(image: Path, number: int) -> tuple[int, int]:
    """Start and size of a partition, in bytes."""
    lines = roots.run("sfdisk", "--dump", str(image)).splitlines()
    fields = [line.partition(":")[2].split(",") for line in lines if line.startswith(str(image))][number - 1]
    start, size = (int(field.partition("=")[2]) * 512 for field in fields[:2])
    return start, size


@contextlib.contextmanager
def _running(card: Path, folder: Path) -> Iterator[Machine]:
    """The image as the disk of a machine, with its own kernel, until the end of the body."""
    for name in ("vmlinuz", "initrd.img"):
        roots.run("mcopy", "-n", "-o", "-i", f"{card}@@{_BOOT}", f"::{name}", str(folder / name))
    console, adapter = folder / "console", folder / "engine.socket"
    for path in (console, adapter):
        path.unlink(missing_ok=True)
    command = [BOARD.qemu, "-accel", "tcg", *BOARD.machine, "-m", "512", "-nodefaults", "-display", "none"]
    command += ["-no-reboot", "-serial", f"file:{console}", "-append", _KERNEL_ARGUMENTS]
    command += ["-kernel", str(folder / "vmlinuz"), "-initrd", str(folder / "initrd.img")]
    command += ["-drive", f"if=virtio,format=raw,file={card}", "-device", "qemu-xhci,id=usb"]
    command += ["-chardev", f"socket,id=engine,path={adapter},server=on,wait=off"]
    command += ["-device", "usb-serial,bus=usb.0,chardev=engine,serial=engine"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        yield Machine(process, console)
    finally:
        process.kill()
        process.wait()
