"""What the services see of the machine: no homes, no temporary folders, and of the rest what their users may read."""

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

_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - names, not used as such
"""What ProtectHome= and PrivateTmp= of the units take away."""
_READ, _SEARCH = 0o4, 0o1


class OutOfReach(NamedTuple):
    """A file that the configuration names and the recorder's service does not come to: why not, and the mend."""

    path: Path
    what: str
    hint: str


def require_reachable(program: str, root: Root) -> None:
    """Refuse a program that the services would not see. Raises ConfigurationError."""
    places = {program}
    if root.is_this_machine:
        places |= {str(Path(program).resolve()), *_what_it_loads(program)}
    for place in sorted(places):
        if not place.startswith("/") or _is_hidden(Path(place)):
            raise ConfigurationError(
                "the services cannot run it from there: they see no home and no temporary folders",
                where=place,
                hint="install it under /opt/stagelog, as systemd/README.md says, and call `install` from there",
            )
    if root.look(program) is None:
        echo(f"{program} is not there yet: the services wait for it", err=True)


def out_of_reach(config: Config) -> Iterator[OutOfReach]:
    """The configuration's files that the recorder's service would not come to, on this machine."""
    stage = config.stage
    named = [stage.itinerary, stage.rules] if stage else []
    for path in [*named, *(dbc for can in config.can for dbc in can.dbc)]:
        if path is None:
            continue
        if _is_hidden(path) or _is_hidden(path.resolve()):
            what = "the recorder does not see it there: no home and no temporary folders"
            yield OutOfReach(path, what, f"copy it into {CONFIGURATION_FOLDER}, and name that")
        elif not _may_read(path):
            what = f"the recorder's user, {RECORDER_USER}, may not read it"
            yield OutOfReach(path, what, f"sudo chgrp {GROUP} {path} && sudo chmod g+r {path}")


def _is_hidden(place: Path) -> bool:
    return any(place.is_relative_to(away) for away in _HIDDEN)


def _may_read(path: Path) -> bool:
    """Whether the recorder's user may, by the modes on the way; True where that cannot be told."""
    try:
        user = pwd.getpwnam(RECORDER_USER)
        groups = {user.pw_gid, grp.getgrnam(GROUP).gr_gid}
        way = [(folder, _SEARCH) for folder in path.resolve().parents]
        return all(
            _allows(place.stat(), wanted, user.pw_uid, groups) for place, wanted in [*way, (path, _READ)]
        )
    except (KeyError, OSError):
        return True  # no such user yet, or no such file: others tell that


def _allows(found: os.stat_result, wanted: int, uid: int, groups: set[int]) -> bool:
    shift = 6 if found.st_uid == uid else 3 if found.st_gid in groups else 0
    return bool(found.st_mode >> shift & wanted)


def _what_it_loads(program: str) -> set[str]:
    """Where our own interpreter and packages lie; nothing for a program that is not this one."""
    if Path(program).parent != Path(sysconfig.get_path("scripts")):
        return set()
    return {sys.prefix, str(Path(sys.executable).resolve()), str(Path(__file__).resolve())}
