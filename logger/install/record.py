"""Record of an installation: the paths it changed and what was there before, for uninstall.

One JSON file on the target machine, written before the first change, so that an interrupted installation can be
continued or undone; at most the file's empty folder can be left behind. It holds the content of replaced files, never
that of the configuration.
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
    """One path: what `was` there (None: nothing), and the digest of the installed content ("" for a folder).

    A `kept` path belongs to the user once it exists: the configuration.
    """

    was: Entry | None
    ours: str = ""
    kept: bool = False


@dataclass(slots=True)
class Record:
    """An installation. `paths` is in the order of creation."""

    software: str = ""
    options: tuple[str, ...] = ()
    users: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    paths: dict[str, Trace] = field(default_factory=dict)

    def forget(self, paths: Iterable[str]) -> None:
        """Drop the paths that were restored."""
        for path in paths:
            self.paths.pop(path, None)

    def save(self, root: Root) -> bool:
        """Write the record; return False without writing if its folder does not exist yet."""
        if root.look(RECORD_FOLDER) is None:
            return False
        document = asdict(self) | {"format": _FORMAT}
        for trace in document["paths"].values():
            if trace["was"] is not None:
                trace["was"]["content"] = base64.b64encode(trace["was"]["content"]).decode()
        root.write(RECORD, json.dumps(document, indent=1).encode() + b"\n", 0o600, 0, 0)
        return True


def load(root: Root) -> Record | None:
    """The record of the installation on a machine; None if there is none. Raises LogError if it is damaged."""
    entry = root.look(RECORD)
    if entry is None:
        return None
    try:
        return _record(loads(entry.content))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        hint = (
            "move it away and install again; keep it, it holds the files from before the first installation"
        )
        raise LogError(f"cannot be read: {error}", where=RECORD, hint=hint) from error


def digest(entry: Entry | None) -> str:
    """A digest of a file or link, to detect whether it was edited; empty for anything else."""
    if entry is None or entry.kind not in ("file", "link"):
        return ""
    return hashlib.sha256(entry.kind.encode() + b"\0" + entry.content + entry.target.encode()).hexdigest()


def _record(document: dict[str, Any]) -> Record:
    if document["format"] != _FORMAT:
        raise ValueError(f"format {document['format']}")
    return Record(
        software=str(document["software"]),
        options=tuple(map(str, document["options"])),
        users=list(map(str, document["users"])),
        groups=list(map(str, document["groups"])),
        paths={str(path): _trace(trace) for path, trace in document["paths"].items()},
    )


def _trace(document: dict[str, Any]) -> Trace:
    was = document["was"]
    if isinstance(was, dict):
        was = Entry(**was | {"content": base64.b64decode(was["content"], validate=True)})
    elif was is not None:
        raise TypeError("was")
    return Trace(was, str(document["ours"]), bool(document["kept"]))
