"""A stick mounted where nobody else sees it, by the one process of stagelog that may mount.

The service `stagelog-stick@` gives it that single power (CAP_SYS_ADMIN), in a mount namespace of its own. It uses it
for mount(2) and umount2(2) and for nothing else: what reads and writes the stick is another program, started
without it (an exec by a user other than root passes on ambient capabilities only, and those are given up first).

Nothing on a stick is trusted: no set-user-id, no devices, no programs, and no symbolic links are followed, for one
could lead a copy back into the car's own logs. A stick that is not ours is looked at read-only and never written; a
disk that is mounted already, perhaps the one that the car boots from, is not even looked at.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.errors import DeviceError

LABEL = "STAGELOG"
MARKER, MARKER_ALL = "stagelog-sync", "stagelog-all"
"""A file of one of these names at the top of a stick makes it ours, whatever its label; the second asks for all logs
that are not on it yet, also those that were delivered before."""
BY_LABEL = Path("/dev/disk/by-label") / LABEL

# linux/mount.h
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_NOSYMFOLLOW = 1, 2, 4, 8, 32, 256
_MS_NOATIME = 1024
_SAFE = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_NOSYMFOLLOW | _MS_NOATIME
# linux/prctl.h
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

_WHOLE = "uid={uid},gid={gid},umask=0077"
_KINDS = {"vfat": _WHOLE, "exfat": _WHOLE, "ext4": ""}
"""File systems of sticks, as tried in turn, and their options. The first two know no owners: all is ours."""
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def mounted(device: Path, place: Path) -> Iterator[bool]:
    """The stick in `device` mounted at `place`, writable; False if it is not one of ours, and read-only at most.

    What is started within the context has no special powers. Raises DeviceError, also when the stick cannot be let
    go of in order; after the context it may be pulled.
    """
    is_labelled = BY_LABEL.resolve() == device.resolve()
    kind = _mount(device, place)
    if kind is None:
        if is_labelled:
            hint = f"unmount it there: sudo umount {device}"
            raise DeviceError("it is mounted by something else", where=str(device), hint=hint)
        yield False
        return
    try:
        is_ours = is_labelled or any(is_marked(place, marker) for marker in (MARKER, MARKER_ALL))
        if is_ours:
            _make_writable(device, place, kind)
        _checked(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
        yield is_ours
    finally:
        try:
            _checked(_libc.umount2(os.fsencode(place), 0))
        except OSError as error:
            hint = "wait a minute before it is pulled"
            raise DeviceError(
                f"it cannot be let go of: {error.strerror}", where=str(device), hint=hint
            ) from error


def _mount(device: Path, place: Path) -> str | None:
    """Mount it read-only; the kind of its file system. None where something else has it mounted."""
    for kind in _KINDS:
        try:
            _attach(device, place, kind, _MS_RDONLY)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENODEV):
                continue  # it has another file system, or this kernel does not know this one
            if error.errno == errno.EBUSY:
                return None
            hint = "try it again, or another stick"
            raise DeviceError(
                f"it cannot be mounted: {error.strerror}", where=str(device), hint=hint
            ) from error
        return kind
    hint = "format it as exFAT or FAT32"
    raise DeviceError("it has no file system that is known here", where=str(device), hint=hint)


def _make_writable(device: Path, place: Path, kind: str) -> None:
    try:
        _attach(device, place, kind, _MS_REMOUNT)
    except OSError as error:
        hint = "move its switch, or use another stick"
        raise DeviceError(f"it cannot be written: {error.strerror}", where=str(device), hint=hint) from error


def _attach(device: Path, place: Path, kind: str, flags: int) -> None:
    options = _KINDS[kind].format(uid=os.getuid(), gid=os.getgid())
    names = (os.fsencode(device), os.fsencode(place), kind.encode())
    _checked(_libc.mount(*names, ctypes.c_ulong(flags | _SAFE), options.encode()))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def is_marked(place: Path, marker: str) -> bool:
    """Whether a file of this name is at the top of a stick."""
    try:
        return stat.S_ISREG((place / marker).lstat().st_mode)
    except OSError:
        return False
