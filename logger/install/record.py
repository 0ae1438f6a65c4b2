"""What an installation changed, and what was there before: enough to give everything back.

One JSON file in the machine itself, written before the first change, so that an installation cut off in the middle
can be continued or undone; the file's empty folder is the most that can be left behind. Contents that were
replaced are in it; the configuration's never are.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from firmware_bridge.errors import LogError
from logger.boundary.untrusted_json import loads
from logger.install.plan import RECORD_FOLDER
from logger.install.root import Entry, Root

RECORD = f"{RECORD_FOLDER}/installed.json"
_FORMAT = 1


@dataclass(slots=True)
class Trace:
    """One path: what `was` there (None: nothing), and the digest of what we put there ("" for a folder).

    What is `kept` is the user's from the moment it is there: the configuration.
    """

    was: Entry | None
    ours: str = ""
    kept: bool = False


@dataclass(slots=True)
class Record:
    """An installation. `paths` is in the order in which things were made."""

    software: str = ""
    options: tuple[str, ...] = ()
    users: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    paths: dict[str, Trace] = field(default_factory=dict)

    def forget(self, paths: Iterable[str]) -> None:
        """Leave out what was given back."""
        for path in paths:
            self.paths.pop(path, None)

    def save(self, root: Root) -> bool:
        """Write it down; False, and nothing is written, before its folder is there."""
        if root.look(RECORD_FOLDER) is None:
            return False
        told = asdict(self) | {"format": _FORMAT}
        for trace in told["paths"].values():
            if trace["was"] is not None:
                trace["was"]["content"] = base64.b64encode(trace["was"]["content"]).decode()
        root.write(RECORD, json.dumps(told, indent=1).encode() + b"\n", 0o600, 0, 0)
        return True


def load(root: Root) -> Record | None:
    """The record of the installation in a machine; None when there is none. Raises LogError when it is damaged."""
    entry = root.look(RECORD)
    if entry is None:
        return None
    try:
        return _record(loads(entry.content))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        hint = "move it away and install again; what was there before the first installation is in it"
        raise LogError(f"cannot be read: {error}", where=RECORD, hint=hint) from error


def digest(entry: Entry | None) -> str:
    """What tells whether a file or a link is still the one that we put there."""
    if entry is None or entry.kind not in ("file", "link"):
        return ""
    return hashlib.sha256(entry.kind.encode() + b"\0" + entry.content + entry.target.encode()).hexdigest()


def _record(told: dict[str, Any]) -> Record:
    if told["format"] != _FORMAT:
        raise ValueError(f"format {told['format']}")
    return Record(
        software=str(told["software"]),
        options=tuple(map(str, told["options"])),
        users=list(map(str, told["users"])),
        groups=list(map(str, told["groups"])),
        paths={str(path): _trace(trace) for path, trace in told["paths"].items()},
    )


def _trace(told: dict[str, Any]) -> Trace:
    was = told["was"]
    if isinstance(was, dict):
        was = Entry(**was | {"content": base64.b64decode(was["content"], validate=True)})
    elif was is not None:
        raise TypeError("was")
    return Trace(was, str(told["ours"]), bool(told["kept"]))
