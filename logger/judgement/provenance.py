"""What a printed verdict was made from: digests of the log and of the rules, versions, and the time of the review."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from logger.logfile.connect import has_wal, wal_of
from logger.stage.rules import Rules
from logger.version import SOFTWARE

RULES_DIGITS = 12
"""Digits of a rules digest: enough to tell the versions of one rules file apart."""


class FileDigest(NamedTuple):
    """SHA-256 and length of a file as it was read."""

    name: str
    sha256: str
    size_bytes: int


class Provenance(NamedTuple):
    """`files`: the log, and the WAL beside it if there is one."""

    files: tuple[FileDigest, ...]
    reviewed_utc: str
    software: str


def provenance_of(path: Path) -> Provenance:
    """The provenance of a review of `path`, made now. Reads the whole file. Raises OSError."""
    parts = [path, *([wal_of(path)] if has_wal(path) else [])]
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Provenance(tuple(_digest(part) for part in parts if part.is_file()), now, SOFTWARE)


def _digest(path: Path) -> FileDigest:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileDigest(path.name, digest, file.tell())


def rules_digest(rules: Rules) -> str:
    """The version of what rules judge by: name and alarms do not count, comments in a file neither."""
    judged = dataclasses.asdict(dataclasses.replace(rules, name="", declared=()))
    text = json.dumps(judged, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:RULES_DIGITS]
