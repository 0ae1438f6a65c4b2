"""Judge the storage: free space, permissions, file system, wear of the card, and the logs on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logger.doctor.findings import SUDO, Finding, first_few, note, ok, wrong

MAX_WAL_BYTES = 64 * 1024 * 1024
"""A WAL is checkpointed every 4 MB; a longer one has a reader that never closes, or a failing card."""
WORN_SHARE = 0.8
"""JEDEC's estimate comes in tenths; above this, change the card before the season."""
LONG_H = 1000.0
"""Space for a season is not shown in hours."""
_MEMORY_SYSTEMS = ("tmpfs", "ramfs", "overlay", "rootfs")
_PRE_EOL = {1: "normal", 2: "80 % of its reserve used", 3: "90 % of its reserve used"}
_MAX_KERNEL_ERRORS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system of the log directory. `can_write` is whether the recording `user` may write there."""

    folder: str
    exists: bool = True
    is_folder: bool = True
    free_mb: int = 0
    size_mb: int = 0
    kind: str = ""
    is_read_only: bool = False
    is_root: bool = False
    user: str = ""
    can_write: bool = True


@dataclass(frozen=True, slots=True)
class Card:
    """The block device of the logs. `life` are JEDEC's estimates (1 to 11, tenths used); SD cards give none."""

    device: str = ""
    kind: str = ""
    name: str = ""
    date: str = ""
    life: tuple[int, ...] = ()
    pre_eol: int = 0
    kernel_errors: tuple[str, ...] | None = None
    """Storage errors in the kernel's messages; None if this user cannot read them."""


@dataclass(frozen=True, slots=True)
class LogInventory:
    """The logs in the log directory. `problems` are those of the newest log, None if the check took too long."""

    logs: int = 0
    newest: str = ""
    problems: tuple[str, ...] | None = ()
    cut_short: int = 0
    """Sessions of the newest log that ended with a power cut."""
    quarantined: tuple[str, ...] = ()
    longest_wal: tuple[str, int] = ("", 0)
    not_fetched_mb: int | None = None


def judge_disk(disk: Disk, min_free_mb: int, room_h: float | None) -> Iterator[Finding]:
    """Findings about the log directory and its file system."""
    where = f"disk {disk.folder}"
    if not disk.exists:
        yield wrong(
            where, "no such directory", "create it with `sudo stagelog install`, or correct [log] directory"
        )
        return
    if not disk.is_folder:
        yield wrong(where, "not a directory", "correct [log] directory")
        return
    if disk.is_read_only:
        yield wrong(
            where,
            "the file system is read-only",
            "see the reason with `dmesg`: a failing card is often remounted read-only",
        )
    elif not disk.can_write:
        hint = f"sudo chown {disk.user} {disk.folder}"
        yield wrong(where, f"the recording user {disk.user} may not write there", hint)
    if disk.kind in _MEMORY_SYSTEMS:
        yield wrong(
            where, f"{disk.kind}: lost when the power is cut", "put [log] directory on the card or a stick"
        )
    elif disk.is_root:
        yield note(
            where,
            "on the system's own partition",
            "a partition of its own keeps a full card from harming the system",
        )
    room = "" if room_h is None or room_h > LONG_H else f", room for about {room_h:.0f} h"
    what = f"{disk.free_mb} of {disk.size_mb} MB free{room}"
    if disk.free_mb < min_free_mb:
        yield wrong(
            where,
            f"{what}; {min_free_mb} MB must be free",
            "fetch the logs: downloaded logs may be deleted",
        )
    else:
        yield ok(where, what)


def judge_card(card: Card) -> Iterator[Finding]:
    """Findings about the card's health, as far as it reports it."""
    where = f"card {card.device}".strip()
    model = " ".join(word for word in (card.kind, card.name, f"of {card.date}" if card.date else "") if word)
    if card.life:
        used = max(card.life)
        what = (
            f"{model}: {10 * (used - 1)} to {10 * used} % of its life used"
            if used <= 10
            else f"{model}: beyond its life"
        )
        is_worn = used / 10 > WORN_SHARE or card.pre_eol > 1
        reserve = f", {_PRE_EOL[card.pre_eol]}" if card.pre_eol in _PRE_EOL and card.pre_eol > 1 else ""
        yield wrong(where, what + reserve, "change it before the start") if is_worn else ok(where, what)
    elif card.kind:
        yield note(where, f"{model}: this kind does not report its health", "change it once a season")
    else:
        yield note(where, "its model cannot be read here")
    if card.kernel_errors is None:
        yield note("kernel", "its messages cannot be read without permission", SUDO)
    elif card.kernel_errors:
        first = first_few(list(card.kernel_errors), _MAX_KERNEL_ERRORS_SHOWN)
        yield wrong("kernel", f"{len(card.kernel_errors)} storage errors: {first}", "change the card")
    else:
        yield ok("kernel", "no storage errors since the start")


def judge_logs(inventory: LogInventory) -> Iterator[Finding]:
    """Findings about the logs."""
    where = "logs"
    if not inventory.logs:
        yield note(where, "none yet")
    elif inventory.problems is None:
        yield note(
            where,
            f"{inventory.logs}; the newest, {inventory.newest}, is too large to check now",
            "check it with `stagelog verify`",
        )
    elif inventory.problems:
        hint = (
            "list all problems with `stagelog verify`; the recorder quarantines it and continues in a new log"
        )
        yield wrong(where, f"{inventory.newest}: {first_few(list(inventory.problems), 2)}", hint)
    else:
        cut = f", {inventory.cut_short} of its sessions ended by a power cut" if inventory.cut_short else ""
        yield ok(where, f"{inventory.logs}; the newest, {inventory.newest}, is whole{cut}")
    if inventory.quarantined:
        what = f"{len(inventory.quarantined)} quarantined as damaged: {first_few(list(inventory.quarantined), 3)}"
        yield wrong(where, what, "copy them for `stagelog review`, check the card, then move them away")
    name, size = inventory.longest_wal
    if size > MAX_WAL_BYTES:
        what = f"{name} has {size // 1_000_000} MB in its WAL that are not checkpointed"
        yield wrong(
            where,
            what,
            "a program keeps reading it: close that program (`sudo fuser -v`), then restart the recorder",
        )
    if inventory.not_fetched_mb:
        yield note(where, f"{inventory.not_fetched_mb} MB are not yet downloaded")
