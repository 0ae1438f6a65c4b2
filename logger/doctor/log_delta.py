"""Read the rows added to a log since an earlier reading, while a recorder writes it (`mode=ro`)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.records import Fix, Notice
from logger.logfile.border import open_log_readonly
from logger.logfile.reader import detail_of
from logger.logfile.rows import BUSES_PER_PORT

_TABLES = ("frame", "fix", "event")
"""Tables of received data."""
_NOTICES = ("bus_state", "bus_error", "adapter_status", "adapter_refused", "frames_dropped")


@dataclass(frozen=True, slots=True)
class Traffic:
    """Frames of one adapter, counted by identifier and length; `span_s` is from the first frame to the last."""

    counts: Mapping[tuple[int, int], int] = field(default_factory=Counter)
    span_s: float = 0.0


@dataclass(frozen=True, slots=True)
class NewRows:
    """Rows that were added: traffic by adapter number, fixes, and notices with their ports."""

    traffic: Mapping[int, Traffic] = field(default_factory=dict)
    fixes: tuple[Fix, ...] = ()
    notices: tuple[tuple[str, Notice], ...] = ()


def last_rowids(path: Path) -> dict[str, int]:
    """The last rowid of each table. Raises OSError; PermissionError if this user cannot read the log."""
    path.open("rb").close()  # SQLite reports missing permission like a file that is not a database
    with open_log_readonly(path) as log:
        return {
            table: log.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()[0]  # noqa: S608
            for table in _TABLES
        }


def rows_since(path: Path, last: Mapping[str, int]) -> NewRows:
    """The rows after those of `last_rowids`. Raises OSError."""
    counts: dict[int, Counter[tuple[int, int]]] = defaultdict(Counter)
    times: dict[int, list[int]] = defaultdict(list)
    with open_log_readonly(path) as log:
        for bus, can_id, length, count, first_us, last_us in log.execute(
            "SELECT bus, can_id, length(data), count(*), min(t_us), max(t_us) FROM frame WHERE rowid > ?"
            " GROUP BY 1, 2, 3",
            (last["frame"],),
        ):
            counts[bus // BUSES_PER_PORT][can_id, length] += count
            times[bus // BUSES_PER_PORT] += first_us, last_us
        columns = "t_us, utc_us, lat, lon, alt_m, speed_mps, course_deg, quality, satellites, hdop"
        rows = log.execute(f"SELECT {columns} FROM fix WHERE rowid > ?", (last["fix"],))  # noqa: S608
        fixes = tuple(Fix(*row) for row in rows)
        rows = log.execute("SELECT t_us, kind, detail FROM event WHERE rowid > ?", (last["event"],))
        events = [(t_us, kind, detail_of(detail) or {}) for t_us, kind, detail in rows if kind in _NOTICES]
    traffic = {
        adapter: Traffic(frames, (max(times[adapter]) - min(times[adapter])) / 1e6)
        for adapter, frames in counts.items()
    }
    return NewRows(traffic, fixes, tuple((str(event[2].get("port")), Notice(*event)) for event in events))


def configuration(path: Path, session: int) -> str:
    """The text of a session's configuration; empty if it has none. Raises OSError."""
    with open_log_readonly(path) as log:
        row = log.execute("SELECT config FROM session WHERE id = ?", (session,)).fetchone()
    return str(row[0] or "") if row else ""
