"""The documents of `logs`, `info` and `verify` (`--json`), from which the verbs also make their tables.

Numbers are in SI units, and a unit is in the key; times are UTC; unknown is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

from firmware_bridge.errors import StagelogError
from logger.boundary.utc_text import utc_text
from logger.logfile import reader
from logger.logfile.connect import wal_of
from logger.logfile.directory_lock import is_claimed
from logger.logfile.meta import META_PREFIX, car_of
from logger.logfile.naming import LOG_PATTERN

State = Literal["recording", "open", "closed", "damaged"]
STATE_WORDS: Final[dict[State, str]] = {
    "recording": "recording",
    "open": "not closed",
    "closed": "closed",
    "damaged": "damaged",
}
"""The states of a log as people read them, here and on the page of logs; the keys are those of JSON."""


def logs_document(folder: Path) -> dict[str, Any]:
    """The logs of a folder, one entry each. Raises LogError if there is no such folder."""
    return {"folder": str(folder.resolve()), "logs": [_listed(path) for path in reader.logs_in(folder)]}


def info_document(log: reader.LogInfo) -> dict[str, Any]:
    """What a log contains."""
    return _summary(log) | {
        "car": car_document(car_of(log.meta)),
        "software": log.meta.get("software"),
        "carries": sorted(key for key in log.meta if key.startswith(META_PREFIX) or key == "itinerary"),
        "rows": log.rows,
        "sessions": [
            {
                "session": session.id,
                "begun_utc": utc_text(session.first_utc_us),
                "duration_s": session.duration_s,
                "ended": session.ended,
                "software": session.software or None,
            }
            for session in log.sessions
        ],
    }


def verify_entry(path: Path, problems: Sequence[str]) -> dict[str, Any]:
    """The verdict on one log."""
    return _named(path) | {"whole": not problems, "problems": list(problems)}


def car_document(car: Mapping[str, Any]) -> dict[str, Any]:
    """The car of a log or a review, with every key; an empty name is unknown."""
    return {"number": car.get("number")} | {key: car.get(key) or None for key in ("name", "class", "crew")}


def _listed(path: Path) -> dict[str, Any]:
    """The entry of one file. A file that cannot be read has only its size and the reason."""
    try:
        return _summary(reader.info(path))
    except StagelogError as error:
        unknown = dict.fromkeys(("stage", "begun_utc", "duration_s", "fixes", "frames", "size_bytes"))
        with suppress(OSError):
            unknown["size_bytes"] = path.stat().st_size
        return _named(path) | unknown | {"state": "damaged", "trouble": error.what}


def _summary(log: reader.LogInfo) -> dict[str, Any]:
    return _named(log.path) | {
        "stage": log.meta.get("stage") or None,
        "begun_utc": utc_text(log.first_utc_us),
        "duration_s": log.duration_s,
        "fixes": log.rows["fix"],
        "frames": log.rows["frame"],
        "size_bytes": log.size_bytes,
        "state": state_of(log),
        "trouble": None,
    }


def state_of(log: reader.LogInfo) -> State:
    """The state of a log: recorded now, not closed since a power cut, or closed."""
    if not log.open:
        return "closed"
    is_newest = log.path == max(log.path.parent.glob(LOG_PATTERN), key=_written_s, default=log.path)
    return "recording" if is_newest and is_claimed(log.path.parent) else "open"


def _written_s(path: Path) -> float:
    """The time of the last write to a log's WAL; 0 for a log without one."""
    try:
        return wal_of(path).stat().st_mtime
    except OSError:
        return 0.0


def _named(path: Path) -> dict[str, Any]:
    return {"log": path.name, "path": str(path)}
