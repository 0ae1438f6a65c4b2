"""Gathering on the machine: the card, its kernel messages, the supply, the services. Reads, and changes nothing.

Where something cannot be read, that is a fact of its own and never an error. `sysfs` is an argument, so that a Pi's
files can be laid out anywhere.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

from logger.doctor.judge_machine import Power
from logger.doctor.judge_storage import Card, Disk
from logger.install.plan import RECORDER_USER

SYSTEMCTL_S = 5.0
KMSG_LINES = 5000
"""More than the kernel keeps."""
_BOOTED = Path("/run/systemd/system")
_TROUBLE = re.compile(r"\berror(?!s=)|timeout|timed out|Remounting filesystem read-only", re.I)
_NO_TROUBLE = re.compile(r"firmware", re.I)
"""What a driver did not find on the card is no fault of the card."""
_FIXED_DEVICES = re.compile(r"\b(?:mmcblk\d+|nvme\d+n\d+)(?:p\d+)?\b")
"""A stick that was pulled too soon leaves errors as well, and they are nobody's fault."""
_PROPERTIES = (
    "LoadState,UnitFileState,ActiveState,SubState,Result,NRestarts,ExecMainStatus,ReadWritePaths,"
    "RestrictAddressFamilies"
)


def disk(folder: Path) -> Disk:
    """The file system of the log folder. Raises PermissionError where this user may not see it."""
    try:
        there = folder.stat()
        room = os.statvfs(folder)
    except PermissionError:
        raise
    except OSError:
        return Disk(str(folder), exists=False)
    user = _recorder()
    return Disk(
        str(folder),
        is_folder=stat.S_ISDIR(there.st_mode),
        free_mb=room.f_bavail * room.f_frsize // 1_000_000,
        size_mb=room.f_blocks * room.f_frsize // 1_000_000,
        kind=_file_system(there.st_dev),
        is_read_only=bool(room.f_flag & os.ST_RDONLY),
        is_root=there.st_dev == Path("/").stat().st_dev,
        user=user.pw_name,
        can_write=_may_write(there, user),
    )


def card(folder: Path, sysfs: Path = Path("/sys"), kmsg: Path = Path("/dev/kmsg")) -> Card:
    """The device that a folder lies on, as far as it tells."""
    try:
        number = folder.stat().st_dev
        block = (sysfs / f"dev/block/{os.major(number)}:{os.minor(number)}").resolve(strict=True)
    except OSError:
        return Card(kernel_errors=_kernel_errors(kmsg, _FIXED_DEVICES))
    whole = block.parent if (block / "partition").exists() else block
    life = tuple(int(word, 16) for word in _text(whole / "device/life_time").split() if word.startswith("0x"))
    reserve = _text(whole / "device/pre_eol_info")
    return Card(
        whole.name,
        _text(whole / "device/type") or _text(whole / "device/model"),
        _text(whole / "device/name"),
        _text(whole / "device/date"),
        tuple(part for part in life if part),
        int(reserve, 16) if reserve.startswith("0x") else 0,
        _kernel_errors(kmsg, _names_of(whole.name)),
    )


def power(sysfs: Path = Path("/sys")) -> Power:
    """What a Raspberry says of its supply."""
    throttled = is_low = None
    with suppress(ValueError):
        throttled = int(_text(sysfs / "devices/platform/soc/soc:firmware/get_throttled"), 16)
    for monitor in sorted(sysfs.glob("class/hwmon/hwmon*")):
        if _text(monitor / "name") == "rpi_volt" and (alarm := _text(monitor / "in0_lcrit_alarm")):
            is_low = alarm != "0"
    return Power(throttled, is_low)


def has_rtc(sysfs: Path = Path("/sys")) -> bool:
    """Whether there is a battery clock."""
    return any(sysfs.glob("class/rtc/rtc*"))


def unit(name: str) -> dict[str, str] | None:
    """What systemd says of a service; None where it does not run this machine."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not _BOOTED.exists():
        return None
    try:
        told = subprocess.run(  # noqa: S603 - a program of the system's, with names of ours
            (systemctl, "show", "--property", _PROPERTIES, name),
            capture_output=True,
            text=True,
            timeout=SYSTEMCTL_S,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)


def _recorder() -> pwd.struct_passwd:
    """Who records: the service's user where it is installed, else whoever asks."""
    with suppress(KeyError):
        return pwd.getpwnam(RECORDER_USER)
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid())
    return pwd.struct_passwd((f"number {os.getuid()}", "x", os.getuid(), os.getgid(), "", "/", ""))


def _may_write(folder: os.stat_result, user: pwd.struct_passwd) -> bool:
    """Whether a user may make files in a folder, by its mode."""
    if user.pw_uid == 0:
        return True
    if user.pw_uid == folder.st_uid:
        wanted = 0o300
    elif folder.st_gid in os.getgrouplist(user.pw_name, user.pw_gid):
        wanted = 0o030
    else:
        wanted = 0o003
    return folder.st_mode & wanted == wanted


def _file_system(device: int) -> str:
    """The kind of file system that a device number is mounted as, such as ext4."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in _text(Path("/proc/self/mountinfo")).splitlines():
        fields, _, mounted = line.partition(" - ")
        if fields.split()[2] == wanted:
            return mounted.split()[0]
    return ""


def _names_of(device: str) -> re.Pattern[str]:
    """How the kernel names a disk in its messages: itself, its partitions, and the host that a card sits in.

    The Wi-Fi chip of a Raspberry sits in such a host too: `mmc1:0001:1:`.
    """
    host = rf"|\bmmc{device.removeprefix('mmcblk')}: " if device.startswith("mmcblk") else ""
    return re.compile(rf"\b{re.escape(device)}(?:p?\d+)?\b{host}")


def _kernel_errors(kmsg: Path, names: re.Pattern[str]) -> tuple[str, ...] | None:
    """What the kernel has said against the device of these `names` since the start; None where nobody may read it."""
    found: list[str] = []
    try:
        descriptor = os.open(kmsg, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        for _ in range(KMSG_LINES):
            try:
                record = os.read(descriptor, 8192)
            except BrokenPipeError:
                continue  # some were overwritten meanwhile
            except BlockingIOError:
                break
            if not record:
                break
            text = record.decode(errors="replace").partition(";")[2].split("\n", 1)[0]
            if names.search(text) and _TROUBLE.search(text) and not _NO_TROUBLE.search(text):
                found.append("".join(letter if letter.isprintable() else "?" for letter in text)[:120])
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return tuple(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
