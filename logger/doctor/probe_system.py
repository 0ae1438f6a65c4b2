"""Probe the machine: card, kernel messages, power supply and systemd services. Reads only, changes nothing.

An unreadable value is reported as unknown, never raised as an error. `sysfs` is an argument, so that tests can lay out
a Pi's files in any directory.
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

SYSTEMCTL_TIMEOUT_S = 5.0
MAX_KMSG_LINES = 5000
"""More than the kernel's buffer holds."""
_BOOTED = Path("/run/systemd/system")
_ERROR = re.compile(r"\berror(?!s=)|timeout|timed out|Remounting filesystem read-only", re.I)
_NOT_AN_ERROR = re.compile(r"firmware", re.I)
"""A firmware file that a driver did not find is not an error of the card."""
_FIXED_DEVICES = re.compile(r"\b(?:mmcblk\d+|nvme\d+n\d+)(?:p\d+)?\b")
"""Only built-in devices: a stick that was pulled too soon also leaves errors, which mean nothing."""
_PROPERTIES = (
    "LoadState,UnitFileState,ActiveState,SubState,Result,NRestarts,ExecMainStatus,ReadWritePaths,"
    "RestrictAddressFamilies"
)


def disk(folder: Path) -> Disk:
    """The file system of the log directory. Raises PermissionError if this user may not see it."""
    try:
        status = folder.stat()
        room = os.statvfs(folder)
    except PermissionError:
        raise
    except OSError:
        return Disk(str(folder), exists=False)
    user = _recording_user()
    return Disk(
        str(folder),
        is_folder=stat.S_ISDIR(status.st_mode),
        free_mb=room.f_bavail * room.f_frsize // 1_000_000,
        size_mb=room.f_blocks * room.f_frsize // 1_000_000,
        kind=_file_system(status.st_dev),
        is_read_only=bool(room.f_flag & os.ST_RDONLY),
        is_root=status.st_dev == Path("/").stat().st_dev,
        user=user.pw_name,
        can_write=_may_write(status, user),
    )


def card(folder: Path, sysfs: Path = Path("/sys"), kmsg: Path = Path("/dev/kmsg")) -> Card:
    """The block device of a directory, as far as it reports its data."""
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
    """The state of a Raspberry's power supply."""
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
    """The properties of a unit from `systemctl show`; None if systemd does not run this machine."""
    systemctl = shutil.which("systemctl")
    if systemctl is None or not _BOOTED.exists():
        return None
    try:
        output = subprocess.run(  # noqa: S603 - a system program, with names from this package
            (systemctl, "show", "--property", _PROPERTIES, name),
            capture_output=True,
            text=True,
            timeout=SYSTEMCTL_TIMEOUT_S,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def _recording_user() -> pwd.struct_passwd:
    """The user who records: the service's user if it is installed, else the present user."""
    with suppress(KeyError):
        return pwd.getpwnam(RECORDER_USER)
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid())
    return pwd.struct_passwd((f"number {os.getuid()}", "x", os.getuid(), os.getgid(), "", "/", ""))


def _may_write(folder: os.stat_result, user: pwd.struct_passwd) -> bool:
    """Whether the mode of a directory allows a user to create files in it."""
    if user.pw_uid == 0:
        return True
    if user.pw_uid == folder.st_uid:
        required = 0o300
    elif folder.st_gid in os.getgrouplist(user.pw_name, user.pw_gid):
        required = 0o030
    else:
        required = 0o003
    return folder.st_mode & required == required


def _file_system(device: int) -> str:
    """The type of the file system mounted from a device number, such as ext4."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in _text(Path("/proc/self/mountinfo")).splitlines():
        fields, _, mounted = line.partition(" - ")
        if fields.split()[2] == number:
            return mounted.split()[0]
    return ""


def _names_of(device: str) -> re.Pattern[str]:
    """A pattern for a disk's names in kernel messages: the disk, its partitions, and the MMC host of a card.

    The Wi-Fi chip of a Raspberry has an MMC host too (`mmc1:0001:1:`), which must not match.
    """
    host = rf"|\bmmc{device.removeprefix('mmcblk')}: " if device.startswith("mmcblk") else ""
    return re.compile(rf"\b{re.escape(device)}(?:p?\d+)?\b{host}")


def _kernel_errors(kmsg: Path, names: re.Pattern[str]) -> tuple[str, ...] | None:
    """The kernel's errors about the device with these `names` since the start; None if they cannot be read."""
    errors: list[str] = []
    try:
        descriptor = os.open(kmsg, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        for _ in range(MAX_KMSG_LINES):
            try:
                record = os.read(descriptor, 8192)
            except BrokenPipeError:
                continue  # older messages were overwritten meanwhile
            except BlockingIOError:
                break
            if not record:
                break
            text = record.decode(errors="replace").partition(";")[2].split("\n", 1)[0]
            if names.search(text) and _ERROR.search(text) and not _NOT_AN_ERROR.search(text):
                errors.append("".join(letter if letter.isprintable() else "?" for letter in text)[:120])
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return tuple(errors)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
