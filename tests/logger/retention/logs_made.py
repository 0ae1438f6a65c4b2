"""Logs for the tests of retention, and their deliveries."""

from __future__ import annotations

from pathlib import Path

from logger.logfile.open_or_quarantine import open_log
from logger.logfile.rows import ClockRow, Rows
from logger.retention.log_directory import LogDirectory, delivered
from logger.transfer import ledger
from logger.transfer.state import state_of
from tests.logger.logfile.rows_made import META, START, frames


def make_log(folder: Path, name: str, rows: int = 100, utc_us: int | None = None) -> Path:
    """A closed log with some frames."""
    log, _ = open_log(folder / f"{name}.db")
    log.begin_session(START, META)
    log.write(frames(rows))
    if utc_us is not None:
        log.write(Rows(clock=[ClockRow(1, utc_us, 100, "gps")]))
    log.close()
    return log.path


def deliver(folder: Path, log: Path) -> None:
    """Record a log as delivered in the ledger of `folder`."""
    state = state_of(log)
    ledger.add(
        folder, ledger.Delivered(log.name, state.session, state.t_us, log.stat().st_size, "0" * 64, "1970")
    )


def marks(folder: Path) -> dict[str, bool]:
    """Each log, and whether it counts as delivered."""
    return {log.path.stem: log.is_delivered for log in LogDirectory(folder).survey(delivered([folder]))}
