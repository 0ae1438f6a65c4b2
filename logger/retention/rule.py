"""Which logs may go when the card fills up, and how long the room that is left lasts. Pure: facts in, a choice out.

Rule 1: a log that is being recorded, that is protected, or that cannot be read never goes. Rule 2: one goes only when
all of it has been downloaded, unless the owner has switched the last resort on; then the others follow when no
downloaded one is left. Rule 3: the oldest goes first, and age is never taken from the wall clock: a Pi wakes up
in 1970, and so do its file times. What is known for certain is the counter among logs of one name; between names
there is the time that GPS told, and a log that never had GPS is as old as its neighbours by counter. One of which
nothing at all is known goes last.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

STAGE_H = 8.0
"""A long day in the car: the crew is warned when the room lasts no longer than this, and the largest log so far is
taken to have been filled in it."""
_COUNTER = re.compile(r"(.*)-(\d+)\.db(?:\.damaged-(\d+))?", re.DOTALL)


class Stored(NamedTuple):
    """A log in the folder. `size_bytes` is with all that lies beside it; `utc_us` is the last time that GPS told it.

    `is_delivered`: somebody has all of it, up to its last row.
    """

    path: Path
    size_bytes: int
    utc_us: int | None = None
    is_readable: bool = True
    is_delivered: bool = False
    is_protected: bool = False


def may_go(log: Stored, in_use: Collection[Path]) -> bool:
    """Whether rule 1 lets it go at all."""
    return log.path not in in_use and not log.is_protected and log.is_readable


def choose(
    logs: Iterable[Stored], in_use: Collection[Path], need_bytes: int, *, last_resort: bool
) -> list[Stored]:
    """The logs to remove, in this order, for `need_bytes` of room: no more than are needed, perhaps too few."""
    free_to_go = [log for log in oldest_first(logs) if may_go(log, in_use)]
    ranked = [log for log in free_to_go if log.is_delivered]
    if last_resort:
        ranked += [log for log in free_to_go if not log.is_delivered]
    chosen = []
    for log in ranked:
        if need_bytes <= 0:
            break
        chosen.append(log)
        need_bytes -= log.size_bytes
    return chosen


def oldest_first(logs: Iterable[Stored]) -> list[Stored]:
    """Logs by age, as rule 3 knows it."""
    names: dict[str, list[tuple[tuple[int, float], Stored]]] = defaultdict(list)
    for log in logs:
        match = _COUNTER.fullmatch(log.path.name)
        if match:  # what was set aside is older than the log that was begun in its place
            names[match[1]].append(((int(match[2]), float(match[3] or "inf")), log))
        else:
            names[log.path.stem].append(((0, 0.0), log))
    aged = []
    for name, numbered in names.items():
        numbered.sort(key=lambda pair: pair[0])
        for (counter, log), utc_us in zip(numbered, _ages([log for _, log in numbered]), strict=True):
            aged.append((utc_us is None, utc_us or 0, name, counter, log))
    return [log for *_, log in sorted(aged, key=lambda entry: entry[:-1])]


def _ages(logs: Sequence[Stored]) -> list[int | None]:
    """A time for each log of one name, in order of counters, that never runs against the counters."""
    known = [log.utc_us for log in logs]
    first = next((utc_us for utc_us in known if utc_us is not None), None)
    ages, latest = [], first
    for utc_us in known:
        if utc_us is not None and latest is not None:
            latest = max(latest, utc_us)
        ages.append(latest)
    return ages


def room_h(room_bytes: int, growth_bytes_h: float | None, largest_log_bytes: int) -> float | None:
    """How many hours of recording fit into `room_bytes`; None while nothing says how fast a log grows.

    `growth_bytes_h` is that of the present log, which says little in the service park; a stage like the largest so far
    must fit as well.
    """
    pace = max(growth_bytes_h or 0.0, largest_log_bytes / STAGE_H)
    return max(0.0, room_bytes / pace) if pace > 0 else None
