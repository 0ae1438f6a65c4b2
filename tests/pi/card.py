"""The SD-card image in a virtual Raspberry Pi 3: built by its recipe, set up by a file on its FAT partition, records.

Every boot ends with a power cut. One unit is added to the copy of the image that is booted: it reports on the console
what the kernel has received from the adapter (pulse.py).
"""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from logger.install.card import RESULT, SETTINGS
from logger.logfile.verify import verify
from tests.pi import roots
from tests.pi.partitions import BOOT, LOGS, ROOT, change, content, fat, place
from tests.pi.processors import CHECKOUT, in_root
from tests.pi.raspi3b import Sockets, running
from tests.power_cuts import disk, pulse
from tests.power_cuts.cuts import RATE
from tests.power_cuts.loss import MAX_LOSS_S, Loss, kept_frames
from tests.power_cuts.machine import Adapter, Machine, take_priority

_RECIPE = CHECKOUT / "systemd/image"
_CARD_BYTES = 4 << 30
"""QEMU takes only a power of two, as a card has."""
_ADAPTER = "/dev/ttyUSB0"
_PULSE_UNIT = f"""\
[Unit]
Description=report of what the kernel has received
[Service]
ExecStart=/usr/bin/python3 -I -S /usr/local/lib/pulse.py {_ADAPTER} /dev/console
"""
_PIN, _PASSWORD = "jaune-2468", "desert wind"
_RIGHT = f"""\
number = 501
pin = "{_PIN}"
can_port = "{_ADAPTER}"
gps_port = "none"
wifi_name = "car 501"
wifi_password = "{_PASSWORD}"
wifi_country = "SA"
"""
_WRONG = 'number = "five"\npin = "1234"\n'
_SETTINGS_UNIT = "stagelog-card.service"
_MISTAKE = f"{SETTINGS}:1: number"
_BOOT_S, _RECORDED_S = 900.0, 8.0
_PLUGS, _OPEN_S = 3, 60.0
_FAILED = re.compile(r"systemd\[1\]: (?:\x1b\[[\d;:]*m)?(\S+): Failed with result")
"""systemd of Debian 13 writes failures in colour."""
_MAY_FAIL = {"stagelog-recorder.service", "stagelog-crew.service"}
"""The recorder until the partition of the logs is mounted, the crew server on a busy host: they are started again."""


class Boot(NamedTuple):
    """What is put on the card before a start, and what has to be there after it."""

    title: str
    settings: str
    """"" leaves the FAT partition as it is."""
    result: str
    """Beginning of the result."""
    is_applied: bool = False
    is_kept: bool = False
    """Whether the settings are still there."""
    is_root_written: bool = False
    fails: tuple[str, ...] = ()
    """Units that have to fail."""
    name: str = SETTINGS
    """Of the file with the settings."""


_BOOTS = (
    Boot("settings", _RIGHT, "applied: car 501; crew page", is_applied=True, is_root_written=True),
    Boot("power again", "", "applied: car 501; crew page"),
    Boot(
        "another number, in a file that a computer renamed",
        "number = 502\r\n",
        "applied: car 502; crew page for the crew's tablets, with the pin; Wi-Fi car 501",
        is_applied=True,
        is_root_written=True,
        name="STAGELOG-SETTINGS.TXT.txt",
    ),
    Boot(
        "settings with mistakes",
        _WRONG,
        _MISTAKE,
        is_kept=True,
        is_root_written=True,
        fails=(_SETTINGS_UNIT,),
    ),
    Boot("settings as shipped", (_RECIPE / SETTINGS).read_text(), _MISTAKE, is_kept=True),
)


def try_card(image: Path | None, built: Path | None, release: str) -> bool:
    """Build an image, or take one, and boot it several times. Prints a line each. Returns whether all is right."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if image is None:
            image = _build(folder, built, release)
        card = Card(folder / "card.img", folder)
        disk.copy_sparse(image, card.image)
        with card.image.open("r+b") as file:
            file.truncate(_CARD_BYTES)
        card.add_pulse()
        take_priority()
        for boot in _BOOTS:
            began = time.monotonic()
            try:
                seen = _booted(card, boot, folder / "before.img")
            except (AssertionError, RuntimeError, SystemExit, OSError) as error:
                print(f"{boot.title}: FAILED: {error}", flush=True)
                return False
            print(f"{boot.title}: {seen} ({time.monotonic() - began:.0f} s)", flush=True)
    return True


def _booted(card: Card, boot: Boot, before: Path) -> str:
    """Boot the card; if QEMU ends or stands still, put back its state `before`, and boot it once more."""
    disk.copy_sparse(card.image, before)
    try:
        return card.boot(boot)
    except RuntimeError as error:
        print(f"{boot.title}: again, because {error}", flush=True)
        disk.copy_sparse(before, card.image)
        return card.boot(boot)


def _build(folder: Path, built: Path | None, release: str) -> Path:
    image, package = folder / "stagelog.img", roots.build_packages(folder, built)[0]
    began = time.monotonic()
    recipe = [sys.executable, str(_RECIPE / "build.py"), str(package), "-o", str(image), "--release", release]
    roots.run(*in_root(Path("/"), recipe))
    print(f"image: {image.stat().st_size // 1_000_000} MB ({time.monotonic() - began:.0f} s)", flush=True)
    return image


class Card:
    """A card, from one power cut to the next."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.image, self._folder = image, folder
        self._sockets = Sockets(console=folder / "console.socket", adapter=folder / "adapter.socket")
        self._adapter = Adapter(self._sockets.adapter, RATE)
        self._boots = 0

    def add_pulse(self) -> None:
        """Add the unit that reports what the kernel has received."""
        unit = self._folder / "pulse.service"
        unit.write_text(_PULSE_UNIT)
        change(
            self.image,
            ROOT,
            "cd /usr/local/lib",
            f'write "{pulse.PROGRAM}" pulse.py',
            "cd /etc/systemd/system",
            f'write "{unit}" pulse.service',
            "symlink multi-user.target.wants/pulse.service ../pulse.service",
        )

    def boot(self, boot: Boot) -> str:
        """Start the Pi, let it record for some seconds, cut its power. Returns what is then on the card."""
        if boot.settings:
            settings = self._folder / boot.name
            settings.write_text(boot.settings)
            roots.run("mcopy", "-o", "-i", fat(self.image), str(settings), "::")
        root_before = self._digest(ROOT)
        began, reports = time.monotonic(), pulse.Pulse(self._sockets.console)
        with running(self.image, self._folder, self._sockets) as machine:
            reports.listen()
            try:
                machine.wait_for_text("recording into /var/lib/stagelog", _BOOT_S)
                started_s = time.monotonic() - began
                self._plug(machine)
                machine.wait_for_text("wlan0: Gained carrier", _BOOT_S)
                time.sleep(_RECORDED_S)
                at = machine.cut_power()
                reports.stop()
            finally:
                self._adapter.unplug()
            assert "Unmounting var-lib-stagelog.mount" not in machine.console_text(), (
                "the logs were unmounted"
            )
            failed = set(_FAILED.findall(machine.console_text())) - _MAY_FAIL
        assert failed == set(boot.fails), f"failed: {failed}"
        is_root_written = self._digest(ROOT) != root_before
        assert is_root_written == boot.is_root_written, (
            f"the root was {'' if is_root_written else 'not '}written"
        )
        return (
            f"recording after {started_s:.0f} s; {self._settings_seen(boot)}; {self._logs_seen(at, reports)}"
        )

    def _plug(self, machine: Machine) -> None:
        """Plug the adapter in, as often as QEMU's USB host needs to notice it, until the recorder opens the bus."""
        for _ in range(_PLUGS):
            self._adapter.plug()
            ends = time.monotonic() + _OPEN_S
            while machine.is_running() and time.monotonic() < ends:
                if self._adapter.opened_at is not None:
                    return
                time.sleep(0.1)
            self._adapter.unplug()
        raise RuntimeError(f"the bus was not opened:\n{machine.console_text()[-3000:]}")

    def _settings_seen(self, boot: Boot) -> str:
        result = roots.run("mtype", "-i", fat(self.image), f"::{RESULT}").strip()
        assert result.startswith(boot.result), result
        is_kept = SETTINGS in roots.run("mdir", "-b", "-i", fat(self.image), "::")
        assert is_kept == boot.is_kept, f"the settings are {'' if is_kept else 'not '}there"
        assert not boot.is_applied or not self._secrets(BOOT), "secrets are left on the FAT partition"
        assert _PASSWORD not in self._secrets(ROOT), "the password is on the root, not only its key"
        return f"{result.replace(chr(10), ' / ')}; settings {'there' if is_kept else 'gone'}"

    def _logs_seen(self, at: float, reports: pulse.Pulse) -> str:
        """Check the partition of the logs and the log on it after a power cut."""
        logs = self._folder / "logs.ext4"
        start, size = place(self.image, LOGS)
        assert start + size == _CARD_BYTES, (
            f"the logs' partition ends {_CARD_BYTES - start - size} bytes before"
        )
        with logs.open("wb") as file:
            file.writelines(content(self.image, LOGS))
        checked = disk.check(logs, self._folder / f"checked-{at}", "/")
        assert checked.is_clean, checked.output
        found = sorted(checked.logs.glob("*.db"))
        self._boots += 1
        assert len(found) == self._boots, f"without a stage each boot begins a log: {found}"
        problems = [problem for log in found for problem in verify(log)]
        assert not problems, problems
        kept, _, holes = kept_frames(found[-1], self._adapter.first)
        assert kept and not holes, f"{kept} frames, {holes}"
        loss = Loss.of(self._adapter, reports, kept, at)
        assert loss.is_reported, "the kernel has not reported what it received"
        seen = (
            f"logs on {size // 1_000_000} MB: {len(found)}, all whole; {kept} of {loss.sent} frames in the newest,"
            f" at most {loss.lost_s:.2f} s lost of what the kernel had received,"
            f" {loss.since_sent_s:.2f} s of what was sent"
        )
        assert loss.lost_s <= MAX_LOSS_S, f"{seen}; allowed: {MAX_LOSS_S:.1f} s"
        return seen

    def _digest(self, partition: int) -> str:
        """Hash of a partition's bytes."""
        digest = hashlib.blake2b()
        for chunk in content(self.image, partition):
            digest.update(chunk)
        return digest.hexdigest()

    def _secrets(self, partition: int) -> set[str]:
        """Secrets of the settings in the bytes of a partition, removed files included."""
        found, end = set(), b""
        for chunk in content(self.image, partition):
            found |= {secret for secret in (_PIN, _PASSWORD) if secret.encode() in end + chunk}
            end = chunk[-len(_PASSWORD) :]
        return found
