"""Judging the card: room, who may write, what kind of file system, its wear, and the logs that lie on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from logger.doctor.findings import SUDO, Finding, note, ok, some, wrong

MOST_WAL_BYTES = 64 * 1024 * 1024
"""A WAL is folded in every 4 MB; one this long has a reader that never lets go, or a card that refuses."""
WORN_SHARE = 0.8
"""JEDEC's estimate comes in tenths; from here on a card is to be changed before the season."""
LONG_H = 1000.0
"""Room for a season is not worth a figure."""
_MEMORY_SYSTEMS = ("tmpfs", "ramfs", "overlay", "rootfs")
_PRE_EOL = {1: "normal", 2: "80 % of its reserve used", 3: "90 % of its reserve used"}
_KERNEL_MOST = 3


@dataclass(frozen=True, slots=True)
class Disk:
    """The log folder's file system. `user` is who records; `can_write` is whether that user may."""

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
    """The device below it. `life` are JEDEC's estimates (1 to 11, tenths used up), which SD cards do not give."""

    device: str = ""
    kind: str = ""
    name: str = ""
    date: str = ""
    life: tuple[int, ...] = ()
    pre_eol: int = 0
    kernel_errors: tuple[str, ...] | None = None
    """What the kernel complained of; None where it may not be read."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """The logs that are there. `problems` are those of the newest, None if it could not be looked through in time."""

    logs: int = 0
    newest: str = ""
    problems: tuple[str, ...] | None = ()
    cut_short: int = 0
    set_aside: tuple[str, ...] = ()
    longest_wal: tuple[str, int] = ("", 0)
    not_fetched_mb: int | None = None


def judge_disk(disk: Disk, min_free_mb: int, room_h: float | None) -> Iterator[Finding]:
    """What is to be said of the folder."""
    where = f"disk {disk.folder}"
    if not disk.exists:
        yield wrong(
            where, "there is no such folder", "`sudo stagelog install` makes it, or correct [log] directory"
        )
        return
    if not disk.is_folder:
        yield wrong(where, "this is no folder", "correct [log] directory")
        return
    if disk.is_read_only:
        yield wrong(
            where, "the file system is read-only", "`dmesg` says why: a card that fails is often mounted so"
        )
    elif not disk.can_write:
        hint = f"sudo chown {disk.user} {disk.folder}"
        yield wrong(where, f"user {disk.user}, who records, may not write there", hint)
    if disk.kind in _MEMORY_SYSTEMS:
        yield wrong(where, f"{disk.kind}: gone with the power", "put [log] directory on the card or a stick")
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
            f"{what}; {min_free_mb} are to be kept free",
            "fetch the logs: what has been downloaded may go",
        )
    else:
        yield ok(where, what)


def judge_card(card: Card) -> Iterator[Finding]:
    """What is to be said of the card's health, as far as it tells."""
    where = f"card {card.device}".strip()
    made = " ".join(word for word in (card.kind, card.name, f"of {card.date}" if card.date else "") if word)
    if card.life:
        used = max(card.life)
        what = (
            f"{made}: {10 * (used - 1)} to {10 * used} % of its life used"
            if used <= 10
            else f"{made}: beyond its life"
        )
        is_worn = used / 10 > WORN_SHARE or card.pre_eol > 1
        reserve = f", {_PRE_EOL[card.pre_eol]}" if card.pre_eol in _PRE_EOL and card.pre_eol > 1 else ""
        yield wrong(where, what + reserve, "change it before the start") if is_worn else ok(where, what)
    elif card.kind:
        yield note(where, f"{made}: this kind says nothing of its health", "change it once a season")
    else:
        yield note(where, "what it is cannot be read here")
    if card.kernel_errors is None:
        yield note("kernel", "its messages may not be read", SUDO)
    elif card.kernel_errors:
        first = some(list(card.kernel_errors), _KERNEL_MOST)
        yield wrong(
            "kernel", f"{len(card.kernel_errors)} complaints about storage: {first}", "change the card"
        )
    else:
        yield ok("kernel", "no complaint about storage since the start")


def judge_shelf(shelf: Shelf) -> Iterator[Finding]:
    """What is to be said of the logs."""
    where = "logs"
    if not shelf.logs:
        yield note(where, "none yet")
    elif shelf.problems is None:
        yield note(
            where,
            f"{shelf.logs}; the newest, {shelf.newest}, is too large to look through now",
            "`stagelog verify` does",
        )
    elif shelf.problems:
        hint = "`stagelog verify` says all; the recorder sets it aside and goes on in a new one"
        yield wrong(where, f"{shelf.newest}: {some(list(shelf.problems), 2)}", hint)
    else:
        cut = f", {shelf.cut_short} of its sessions ended by a power cut" if shelf.cut_short else ""
        yield ok(where, f"{shelf.logs}; the newest, {shelf.newest}, is whole{cut}")
    if shelf.set_aside:
        what = f"{len(shelf.set_aside)} set aside as damaged: {some(list(shelf.set_aside), 3)}"
        yield wrong(where, what, "copy them for `stagelog review`, look at the card, then move them away")
    name, size = shelf.longest_wal
    if size > MOST_WAL_BYTES:
        what = f"{name} has {size // 1_000_000} MB that are not folded in"
        yield wrong(
            where,
            what,
            "a program reads it without an end: close it (`sudo fuser -v`), then restart the recorder",
        )
    if shelf.not_fetched_mb:
        yield note(where, f"{shelf.not_fetched_mb} MB have not been downloaded by anybody")
