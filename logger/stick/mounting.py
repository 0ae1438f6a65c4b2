"""Mount a USB stick in a private mount namespace, with restrictive options, and unmount it.

The service `stagelog-stick@` grants this process one capability, CAP_SYS_ADMIN, in a mount namespace of its own. The
process uses it for mount(2) and umount2(2) only: another program, started without it, reads and writes the stick (an
exec by a user other than root passes on only ambient capabilities, and those are dropped first).

Nothing on a stick is trusted: no set-user-id, devices or programs, and no symbolic links, because one could redirect a
copy into the car's own logs. A stick without our label or marker is examined read-only and never written. A disk that
is already mounted, perhaps the boot disk, is not examined at all.
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
"""A file with one of these names at the top of a stick accepts it, whatever its label. The second also requests logs
that were delivered before, if they are not on the stick."""
BY_LABEL = Path("/dev/disk/by-label") / LABEL

# linux/mount.h
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_NOSYMFOLLOW = 1, 2, 4, 8, 32, 256
_MS_NOATIME = 1024
_SAFE = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_NOSYMFOLLOW | _MS_NOATIME
# linux/prctl.h
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4

_WHOLE = "uid={uid},gid={gid},umask=0077"
_KINDS = {"vfat": _WHOLE, "exfat": _WHOLE, "ext4": ""}
"""File systems of sticks, in the order they are tried, with options. The first two have no owners, so set one."""
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def mounted(device: Path, place: Path) -> Iterator[bool]:
    """Mount the stick `device` at `place`, writable; yield False if it is not accepted, then read-only at most.

    Programs started within the context have no capabilities. Raises DeviceError, also if the stick cannot be
    unmounted; after the context it may be pulled.
    """
    is_labelled = BY_LABEL.resolve() == device.resolve()
    kind = _mount(device, place)
    if kind is None:
        if is_labelled:
            hint = f"unmount it there: sudo umount {device}"
            raise DeviceError("it is already mounted", where=str(device), hint=hint)
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
            hint = "wait a minute before you pull it"
            raise DeviceError(
                f"it cannot be unmounted: {error.strerror}", where=str(device), hint=hint
            ) from error


def _mount(device: Path, place: Path) -> str | None:
    """Mount a device read-only; return its file system type, or None if it is already mounted elsewhere."""
    for kind in _KINDS:
        try:
            _attach(device, place, kind, _MS_RDONLY)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENODEV):
                continue  # another file system, or this kernel does not support this one
            if error.errno == errno.EBUSY:
                return None
            hint = "try it again, or another stick"
            raise DeviceError(
                f"it cannot be mounted: {error.strerror}", where=str(device), hint=hint
            ) from error
        return kind
    hint = "format it as exFAT or FAT32"
    raise DeviceError("it has no supported file system", where=str(device), hint=hint)


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
