"""Sample rows, sessions and logs for the tests."""

from __future__ import annotations

from pathlib import Path

from firmware_bridge.record_columns import FrameColumns
from firmware_bridge.records import CanFrame, Channel, Fix, Reading
from logger.logfile.open_or_quarantine import open_log
from logger.logfile.rows import EventRow, Rows, SentenceRow
from logger.logfile.store import SessionStart

START = SessionStart(
    boot_id="boot-1", started_utc="1970-01-01T00:00:12+00:00", software="stagelog test", config=""
)
META = {"format": "1", "software": "stagelog test", "buses": "{}", "ports": "[]"}
RPM = Channel("rpm", "rpm", "test")


def frames(count: int, first: int = 0) -> Rows:
    """`count` frames one millisecond apart, numbered in their data from `first`."""
    return Rows(
        frame=FrameColumns.of(
            CanFrame(1000 * n, 0, 0x123, n.to_bytes(8, "big")) for n in range(first, first + count)
        )
    )


def drive() -> Rows:
    """One row for every table of a drive."""
    rows = frames(3)
    rows.sentence.append(SentenceRow(1500, "gps", "$GPGLL,5057.970,N,00146.110,E,142451,A*27"))
    rows.fix.append(Fix(1500, 1_768_460_400_000_000, 20.0, 42.6, 1100.0, 27.5, 330.0, 1, 12, 0.8))
    rows.fix.append(Fix(2500, None, None, None, None, None, None, 0, 0, None))
    rows.reading.append(Reading(1600, RPM, 3500.0))
    rows.event.append(EventRow(1700, "mark", {"text": "Überfahrt"}))
    return rows


def write_log(path: Path, *rows: Rows, durable: bool = True) -> Path:
    """Write a closed log of one session with these rows."""
    log, _ = open_log(path, durable=durable)
    log.begin_session(START, META)
    for some in rows:
        log.write(some)
    log.close()
    return path
