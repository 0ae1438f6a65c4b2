"""What a car lists: names that may become files here, each once, and how far each log goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.printable import printable
from logger.boundary.file_names import is_file_name
from logger.logfile.naming import is_aside
from logger.transfer.state import LogState

MOST_LOGS = 10_000
"""Taken of a list: a car's card has some hundred."""
TAIL_BYTES = 70
"""What a log's name gets behind it meanwhile: ".SHA256.part"."""


@dataclass(frozen=True, slots=True)
class ListedLog:
    """A log of a car. `state` is None where the car cannot read it; `withheld` says why it is not given now, or ""."""

    name: str
    state: LogState | None
    withheld: str = ""


@dataclass(slots=True)
class Listed:
    """The logs of a car that can be fetched, and a line for each kind of others."""

    logs: list[ListedLog] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def listed(document: Any) -> Listed:
    """What `GET /api/logs` says. Raises KeyError, TypeError or ValueError when it is no such list."""
    found: dict[str, ListedLog] = {}
    bad: list[str] = []
    twice = more = 0
    for entry in document["logs"]:
        name = entry["name"]
        if not is_file_name(name, room_bytes=TAIL_BYTES):
            bad.append(printable(name, 60))
        elif name in found:
            twice += 1
        elif is_aside(name) or not name.endswith(".db"):
            continue
        elif len(found) == MOST_LOGS:
            more += 1
        else:
            why = entry.get("withheld")
            found[name] = ListedLog(name, _state(entry), printable(why) if isinstance(why, str) else "")
    remarks = []
    if bad:
        others = f" and {len(bad) - 1:,} others" if len(bad) > 1 else ""
        remarks.append(f"left out, as no file here may have that name: {bad[0]!r}{others}")
    if twice:
        remarks.append(f"listed more than once: {twice:,} names")
    if more:
        remarks.append(f"left out: {more:,} logs over {MOST_LOGS:,}")
    return Listed(list(found.values()), remarks)


def _state(entry: dict[str, Any]) -> LogState | None:
    try:
        return LogState.from_json(entry)
    except (KeyError, TypeError, ValueError):
        return None
