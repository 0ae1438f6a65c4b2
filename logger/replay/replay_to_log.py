"""Replay a recording completely: summarise the result, and write a log of it on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from logger.boundary.utc_text import utc_text
from logger.logfile.bulk_log import BulkLog
from logger.logfile.naming import slug
from logger.logfile.rows import EventRow, Rows
from logger.logfile.store import SessionStart
from logger.replay import replay as replays
from logger.version import SOFTWARE


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a replay. `engine` holds each channel's minimum, maximum and unit."""

    rows: dict[str, int]
    duration_s: float
    first_utc_us: int | None
    engine: dict[str, tuple[float, float, str]]
    log: Path | None

    def lines(self) -> Iterator[str]:
        """The outcome as text."""
        yield "rows: " + (", ".join(f"{table} {count}" for table, count in self.rows.items()) or "none")
        if begun := utc_text(self.first_utc_us):
            day, time = begun.split("T")
            yield f"begun: {day} {time[:8]} UTC"
        yield f"duration: {self.duration_s:.1f} s"
        for name, (low, high, unit) in sorted(self.engine.items()):
            yield f"{name}: {low:g} to {high:g} {unit}".rstrip()
        if self.log is not None:
            yield f"log: {self.log}"


def replay(capture: replays.Capture, output: Path | None, progress: Callable[[float], None]) -> Outcome:
    """Replay a capture; with `output`, write a log of it into that folder."""
    rows: Counter[str] = Counter()
    engine: dict[str, tuple[float, float, str]] = {}
    first_utc_us: int | None = None
    duration_us = 0
    target = output / f"{slug(capture.path.stem)}-replay.db" if output is not None else None
    with ExitStack() as stack:
        log = stack.enter_context(BulkLog(target)) if target is not None else None
        for session in replays.sessions(capture, progress):
            last_t_us = 0
            if log is not None and target is not None:
                log.begin_session(_session_start(), session.meta)
                began = {"log": target.name, "begins_us": session.begins_us}
                log.put(Rows(event=[EventRow(session.begins_us, "session_begin", began)]))
            for batch in session.rows:
                rows.update(batch.counts())
                for reading in batch.reading:
                    low, high, unit = engine.get(reading.channel.name, (reading.value, reading.value, ""))
                    unit = reading.channel.unit
                    engine[reading.channel.name] = min(low, reading.value), max(high, reading.value), unit
                for fix in batch.fix:
                    first_utc_us = first_utc_us or fix.utc_us
                last_t_us = max(
                    [last_t_us, *(row[-1].t_us for row in (batch.fix, batch.frame, batch.sentence) if row)]
                )
                if log is not None:
                    log.put(batch)
            if log is not None:
                log.put(Rows(event=[EventRow(last_t_us, "session_end", {"reason": "replayed"})]))
            duration_us += last_t_us
    return Outcome(dict(rows), duration_us / 1e6, first_utc_us, engine, target)


def _session_start() -> SessionStart:
    return SessionStart(
        boot_id="replay",
        started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        software=SOFTWARE,
        config="",
    )
