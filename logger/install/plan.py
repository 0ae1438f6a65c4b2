"""List the steps of an installation: users, folders, files, links and commands.

Pure: contents come in as arguments and the steps are complete plain values, so a dry run and the installation cannot
differ. Units are copies of `systemd/`, byte for byte; the configuration holds what differs from car to car, and one
link holds the program's path.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from firmware_bridge.errors import ConfigurationError
from logger.config.discovery import INSTALLED

GROUP = "stagelog"
RECORDER_USER = "stagelog"
CREW_USER = "stagelog-crew"

CONFIGURATION = str(INSTALLED)
CONFIGURATION_FOLDER = str(INSTALLED.parent)
LOGS = "/var/lib/stagelog"
CREW_STATE = "/var/lib/stagelog-crew"
"""The crew server's persistent state: which logs have been downloaded."""
PROGRAM = "/usr/local/bin/stagelog"
"""The path of the program for units and users, independent of the version."""
RECORD_FOLDER = "/usr/local/lib/stagelog"
"""The folder of the installation record."""
ADAPTER_RULES = "/etc/udev/rules.d/69-stagelog-adapters.rules"
UNIT_FOLDER = "/etc/systemd/system"
ARPHRD_CAN = 280
"""The interface type of CAN in sysfs."""
_UDEV_RELOAD = ("udevadm", "control", "--reload")
UNITS = ("stagelog-recorder.service", "stagelog-crew.service")
STICK_UNIT = "stagelog-stick@.service"
"""Started by udev for each stick."""
CAN_UNIT = "stagelog-can@.service"
"""Started by udev for each CAN interface that appears."""

SHIPPED: Mapping[str, str] = {
    **{unit: f"{UNIT_FOLDER}/{unit}" for unit in (*UNITS, STICK_UNIT)},
    "70-stagelog.rules": "/etc/udev/rules.d/70-stagelog.rules",
    "stagelog.tmpfiles": "/etc/tmpfiles.d/stagelog.conf",
}
"""Files of `systemd/` in every installation, and their paths."""
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "journald": {"journald.conf": "/etc/systemd/journald.conf.d/stagelog.conf"},
    "hardware-watchdog": {"hardware-watchdog.conf": "/etc/systemd/system.conf.d/stagelog.conf"},
    "read-only-root": {
        "read-only-root.conf": f"{UNIT_FOLDER}/stagelog-recorder.service.d/read-only-root.conf"
    },
    "chrony": {
        "chrony.conf": "/etc/chrony/conf.d/stagelog.conf",
        "chrony-socket.conf": f"{UNIT_FOLDER}/chrony.service.d/stagelog.conf",
    },
    "gpsd": {"gpsd.conf": f"{UNIT_FOLDER}/stagelog-recorder.service.d/gpsd.conf"},
    "power-off": {
        unit: f"{UNIT_FOLDER}/{unit}" for unit in ("stagelog-power-off.path", "stagelog-power-off.service")
    },
    "socketcan": {
        "socketcan.conf": f"{UNIT_FOLDER}/stagelog-recorder.service.d/socketcan.conf",
        CAN_UNIT: f"{UNIT_FOLDER}/{CAN_UNIT}",
        "90-stagelog-can.rules": "/etc/udev/rules.d/90-stagelog-can.rules",
        "socketcan-sysctl.conf": "/etc/sysctl.d/90-stagelog-socketcan.conf",
    },
}
"""Optional parts: their files of `systemd/`, and their paths."""
STARTED = {"power-off": "stagelog-power-off.path"}
"""The units of options that start at boot."""


@dataclass(frozen=True, slots=True)
class Account:
    """A system user without a home or a shell, and its group, which is created if missing."""

    name: str
    group: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder. One that is not `ours` is created if missing, and otherwise left unchanged."""

    path: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"
    ours: bool = False


@dataclass(frozen=True, slots=True)
class File:
    """A file. With `keep`, the content of an existing file stays; only its owner and mode are corrected."""

    path: str
    content: bytes
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    keep: bool = False

    def __repr__(self) -> str:
        return f"File({self.path!r}, {len(self.content)} bytes)"  # the configuration contains the pin


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    path: str
    target: str


Step = Account | Folder | File | Link
Commands = tuple[tuple[str, ...], ...]


def installation(
    shipped: Mapping[str, bytes],
    *,
    program: str,
    configuration: bytes,
    adapter_rules: bytes = b"",
    options: Iterable[str] = (),
    shell_files: Mapping[str, bytes] = MappingProxyType({}),
) -> tuple[Step, ...]:
    """All steps, in order. `shipped` are the files of `systemd/` by name; `program` is the real executable.

    `adapter_rules` is empty if no adapter is bound to a name. `shell_files` are completions and the man page, by path.
    """
    steps: list[Step] = [
        Folder(RECORD_FOLDER),
        Account(RECORDER_USER, GROUP),
        Account(CREW_USER, GROUP),
        Folder(CONFIGURATION_FOLDER, 0o750, "root", GROUP, ours=True),
        File(CONFIGURATION, configuration, 0o640, "root", GROUP, keep=True),
        Folder(LOGS, 0o750, RECORDER_USER, GROUP, ours=True),
        Folder(CREW_STATE, 0o750, CREW_USER, GROUP, ours=True),
    ]
    if program != PROGRAM:
        steps.append(Link(PROGRAM, program))
    chosen = sorted(set(options))
    parts = [SHIPPED, *(OPTIONS[name] for name in chosen)]
    steps += [File(path, shipped[name]) for files in parts for name, path in files.items()]
    steps += [File(path, content) for path, content in shell_files.items()]
    if adapter_rules:
        steps.append(File(ADAPTER_RULES, adapter_rules))
    wants = f"{UNIT_FOLDER}/multi-user.target.wants"
    enabled = [*UNITS, *(STARTED[name] for name in chosen if name in STARTED)]
    steps += [Link(f"{wants}/{unit}", f"{UNIT_FOLDER}/{unit}") for unit in enabled]
    return tuple(_with_parents(steps))


def starting(*, udev: bool) -> Commands:
    """Commands after an installation on a running system: load the new files and start the new version.

    `udev` is whether udev runs; in a container it often does not.
    """
    trigger = ("udevadm", "trigger", "--action=add")
    triggers = (
        (*trigger, "--subsystem-match=tty", "--subsystem-match=usb-serial"),
        (*trigger, "--subsystem-match=net", f"--attr-match=type={ARPHRD_CAN}"),
    )
    return (
        ("systemctl", "daemon-reload"),
        *((_UDEV_RELOAD, *triggers) if udev else ()),
        ("systemd-tmpfiles", "--create", SHIPPED["stagelog.tmpfiles"]),
        ("systemctl", "restart", *UNITS),
    )


def stopping() -> Commands:
    """Commands before stagelog is removed from a running system."""
    return (("systemctl", "stop", "stagelog-*"),)  # a pattern, for sticks and options too


def stopped(*, udev: bool) -> Commands:
    """Commands after stagelog was removed."""
    trigger = (
        "udevadm",
        "trigger",
        "--action=change",
        "--subsystem-match=tty",
    )  # removes the stable names of the removed rules
    return (("systemctl", "daemon-reload"), *((_UDEV_RELOAD, trigger) if udev else ()))


def _with_parents(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps, each preceded by the parent folders that it needs."""
    planned = {step.path for step in steps if isinstance(step, Folder)}
    for step in steps:
        if not isinstance(step, Account):
            for parent in reversed(PurePosixPath(step.path).parents[:-1]):
                if str(parent) not in planned:
                    planned.add(str(parent))
                    yield Folder(str(parent))
        yield step


_CHECKOUT = Path(__file__).parents[2] / "systemd"
_PACKAGED = Path(sysconfig.get_path("data")) / "share/stagelog/systemd"


def shipped() -> Mapping[str, bytes]:
    """All files that the plan may use, by name. Raises ConfigurationError if this copy of stagelog is incomplete."""
    names = [*SHIPPED, *(name for files in OPTIONS.values() for name in files)]
    for folder in (_CHECKOUT, _PACKAGED):
        if all((folder / name).is_file() for name in names):
            return {name: (folder / name).read_bytes() for name in names}
    hint = "install stagelog again, from a whole checkout or wheel"
    raise ConfigurationError("the unit files are missing", where=str(_PACKAGED), hint=hint)
