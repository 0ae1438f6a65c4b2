"""Parse a car's list of logs: valid and unique file names, and how far each log goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.printable import printable
from logger.boundary.file_names import is_file_name
from logger.logfile.naming import is_quarantined
from logger.transfer.state import LogState

MAX_LOGS = 10_000
"""Logs per list at most: a car's card has some hundred."""
TAIL_BYTES = 70
"""Bytes that a download adds to a log's name: ".SHA256.part"."""


@dataclass(frozen=True, slots=True)
class ListedLog:
    """A log of a car. `state` is None where the car cannot read it; `withheld` is why it is not served now, or ""."""

    name: str
    state: LogState | None
    withheld: str = ""


@dataclass(slots=True)
class LogList:
    """The logs of a car that can be fetched, and one line per kind of ignored entry."""

    logs: list[ListedLog] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def parse_log_list(document: Any) -> LogList:
    """Parse the document of `GET /api/logs`. Raises KeyError, TypeError or ValueError for another document."""
    logs: dict[str, ListedLog] = {}
    invalid: list[str] = []
    duplicates = excess = 0
    for entry in document["logs"]:
        name = entry["name"]
        if not is_file_name(name, room_bytes=TAIL_BYTES):
            invalid.append(printable(name, 60))
        elif name in logs:
            duplicates += 1
        elif is_quarantined(name) or not name.endswith(".db"):
            continue
        elif len(logs) == MAX_LOGS:
            excess += 1
        else:
            why = entry.get("withheld")
            logs[name] = ListedLog(name, _state(entry), printable(why) if isinstance(why, str) else "")
    remarks = []
    if invalid:
        others = f" and {len(invalid) - 1:,} others" if len(invalid) > 1 else ""
        remarks.append(f"left out, not allowed as a file name here: {invalid[0]!r}{others}")
    if duplicates:
        remarks.append(f"listed more than once: {duplicates:,} names")
    if excess:
        remarks.append(f"left out: {excess:,} logs over {MAX_LOGS:,}")
    return LogList(list(logs.values()), remarks)


def _state(entry: dict[str, Any]) -> LogState | None:
    try:
        return LogState.from_json(entry)
    except (KeyError, TypeError, ValueError):
        return None
