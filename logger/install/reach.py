"""Find files that the services cannot reach: in hidden home and temporary folders, or without read permission."""

from __future__ import annotations

import grp
import os
import pwd
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from firmware_bridge.errors import ConfigurationError
from logger.boundary.terminal import echo
from logger.config.configuration import Config
from logger.install.plan import CONFIGURATION_FOLDER, GROUP, RECORDER_USER
from logger.install.root import Root

_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - compared, not written to
"""Folders that ProtectHome= and PrivateTmp= of the units hide."""
_READ, _SEARCH = 0o4, 0o1


class OutOfReach(NamedTuple):
    """A file in the configuration that the recorder's service cannot read: the reason, and how to fix it."""

    path: Path
    what: str
    hint: str


def require_reachable(program: str, root: Root) -> None:
    """Refuse a program that the services cannot see. Raises ConfigurationError."""
    paths = {program}
    if root.is_this_machine:
        paths |= {str(Path(program).resolve()), *_loaded_paths(program)}
    for path in sorted(paths):
        if not path.startswith("/") or _is_hidden(Path(path)):
            raise ConfigurationError(
                "the services cannot run it from there: home and temporary folders are hidden from them",
                where=path,
                hint="install it under /opt/stagelog, see systemd/README.md, and run `install` from there",
            )
        if root.is_this_machine and (closed := _closed(Path(path).resolve())) is not None:
            what = "the users of the services may not read it: it was created with a strict umask"
            is_ours = closed.is_relative_to(sys.prefix)
            hint = f"sudo chmod -R go+rX {sys.prefix}" if is_ours else f"sudo chmod go+rx {closed}"
            raise ConfigurationError(what, where=str(closed), hint=hint)
    if root.look(program) is None:
        echo(f"{program} does not exist yet: the services wait for it", err=True)


def out_of_reach(config: Config) -> Iterator[OutOfReach]:
    """The configuration's files that the recorder's service cannot read on this machine."""
    stage = config.stage
    named = [stage.itinerary, stage.rules] if stage else []
    for path in [*named, *(dbc for can in config.can for dbc in can.dbc)]:
        if path is None:
            continue
        if _is_hidden(path) or _is_hidden(path.resolve()):
            what = "the recorder does not see it there: home and temporary folders are hidden from it"
            yield OutOfReach(path, what, f"copy it into {CONFIGURATION_FOLDER}, and use that path")
        elif not _may_read(path):
            what = f"the recorder's user, {RECORDER_USER}, may not read it"
            yield OutOfReach(path, what, f"sudo chgrp {GROUP} {path} && sudo chmod g+r {path}")


def _closed(path: Path) -> Path | None:
    """The first folder on the way to a file, or the file, that is not open to every user; None if all are."""
    for entry in [*reversed(path.parents), path]:
        if entry.exists() and not entry.stat().st_mode & (_SEARCH if entry.is_dir() else _READ):
            return entry
    return None


def _is_hidden(path: Path) -> bool:
    return any(path.is_relative_to(hidden) for hidden in _HIDDEN)


def _may_read(path: Path) -> bool:
    """Whether the modes of a file and its parents let the recorder's user read it; True if unknown."""
    try:
        user = pwd.getpwnam(RECORDER_USER)
        groups = {user.pw_gid, grp.getgrnam(GROUP).gr_gid}
        way = [(folder, _SEARCH) for folder in path.resolve().parents]
        return all(
            _allows(entry.stat(), right, user.pw_uid, groups) for entry, right in [*way, (path, _READ)]
        )
    except (KeyError, OSError):
        return True  # no such user yet, or no such file: other checks report that


def _allows(status: os.stat_result, right: int, uid: int, groups: set[int]) -> bool:
    shift = 6 if status.st_uid == uid else 3 if status.st_gid in groups else 0
    return bool(status.st_mode >> shift & right)


def _loaded_paths(program: str) -> set[str]:
    """The paths of this interpreter and its packages; empty if `program` is not this installation's."""
    if Path(program).parent != Path(sysconfig.get_path("scripts")):
        return set()
    return {sys.prefix, str(Path(sys.executable).resolve()), str(Path(__file__).resolve())}
