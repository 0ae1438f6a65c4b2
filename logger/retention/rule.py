"""Choose the logs to remove from a full card, and estimate how long the free space lasts. Pure.

Rule 1: a log that is being recorded, protected or unreadable is never removed. Rule 2: a log is removed only when all
of it has been downloaded; if the owner has enabled the last resort, others follow when no downloaded log is left. Rule
3: the oldest goes first. Age never comes from the wall clock, because a Pi starts in 1970 and so do its file times: it
comes from the counter among logs of one name, and between names from GPS time. A log without GPS is as old as its
neighbours by counter; one of unknown age goes last.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

STAGE_H = 8.0
"""A long day in the car, in hours: the crew is warned when the space lasts no longer, and the largest log so far is
assumed to have taken this long."""
_COUNTER = re.compile(r"(.*)-(\d+)\.db(?:\.damaged-(\d+))?", re.DOTALL)


class Stored(NamedTuple):
    """A log in the directory. `size_bytes` includes its WAL and shared memory; `utc_us` is its last GPS time.

    `is_delivered`: a complete copy exists elsewhere, up to its last row.
    """

    path: Path
    size_bytes: int
    utc_us: int | None = None
    is_readable: bool = True
    is_delivered: bool = False
    is_protected: bool = False


def may_go(log: Stored, in_use: Collection[Path]) -> bool:
    """Whether rule 1 permits removing a log."""
    return log.path not in in_use and not log.is_protected and log.is_readable


def choose(
    logs: Iterable[Stored], in_use: Collection[Path], need_bytes: int, *, last_resort: bool
) -> list[Stored]:
    """The logs to remove, in order, to free `need_bytes`: only as many as needed, perhaps too few."""
    removable = [log for log in oldest_first(logs) if may_go(log, in_use)]
    ranked = [log for log in removable if log.is_delivered]
    if last_resort:
        ranked += [log for log in removable if not log.is_delivered]
    chosen = []
    for log in ranked:
        if need_bytes <= 0:
            break
        chosen.append(log)
        need_bytes -= log.size_bytes
    return chosen


def oldest_first(logs: Iterable[Stored]) -> list[Stored]:
    """Logs by age, according to rule 3."""
    names: dict[str, list[tuple[tuple[int, float], Stored]]] = defaultdict(list)
    for log in logs:
        match = _COUNTER.fullmatch(log.path.name)
        if match:  # a quarantined log is older than the log that replaced it
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
    """A time for each log of one name, in order of counters; it never decreases."""
    known = [log.utc_us for log in logs]
    first = next((utc_us for utc_us in known if utc_us is not None), None)
    ages, latest = [], first
    for utc_us in known:
        if utc_us is not None and latest is not None:
            latest = max(latest, utc_us)
        ages.append(latest)
    return ages


def room_h(room_bytes: int, growth_bytes_h: float | None, largest_log_bytes: int) -> float | None:
    """Hours of recording that fit into `room_bytes`; None while the growth is unknown.

    `growth_bytes_h` is the rate of the present log, which is low in the service park; so a stage like the largest log
    so far must fit as well.
    """
    pace = max(growth_bytes_h or 0.0, largest_log_bytes / STAGE_H)
    return max(0.0, room_bytes / pace) if pace > 0 else None
