"""Fuzz targets for damaged log files: verify, info, review, exports and resuming."""

from __future__ import annotations

import io
import json
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.errors import StagelogError
from logger.export import formats
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import report_of
from logger.logfile import border, reader, selection
from logger.logfile.open_or_quarantine import begin_log, open_log
from logger.logfile.verify import verify
from logger.review import json as review_json
from logger.review.html import page
from tests.fuzz.texts import assert_readable
from tests.logger.logfile.rows_made import META, START, drive, frames, write_log

Check = Callable[[bytes], None]
_FORMATS = ("motec", "ldx", "vbo", "gpx", "csv", "kml", "candump", "asc")
_FRAMES = 60
_SCRATCH = tempfile.TemporaryDirectory(prefix="stagelog-fuzz-")


def made_log() -> bytes:
    """A small log with rows in every table."""
    path = Path(_SCRATCH.name) / "made.db"
    path.unlink(missing_ok=True)
    return write_log(path, drive(), frames(_FRAMES, first=1000)).read_bytes()


def allow_refusal(step: Callable[[], object]) -> None:
    """Run a step; a StagelogError is allowed if its message is readable."""
    try:
        step()
    except StagelogError as error:
        assert_readable(error)


def reviewed(path: Path) -> None:
    """Review a log as JSON and as a page."""
    with open_evidence(path, ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        report = report_of(evidence, rules, connection, {}, lambda _done: None)
    json.dumps(review_json.document(report), allow_nan=False)
    page(report)


def exported(path: Path, name: str) -> None:
    """Export a log in one format."""
    with border.open_log_readonly(path) as connection:
        formats.write(connection, selection.select(connection, None, None, None), name, io.BytesIO())


def damaged_logs() -> Check:
    path = Path(_SCRATCH.name) / "damaged.db"
    sound = made_log()

    def check(data: bytes) -> None:
        path.write_bytes(data)
        problems = verify(path)
        assert all(problem.strip() for problem in problems)
        assert data != sound or not problems
        allow_refusal(lambda: reader.info(path))
        allow_refusal(lambda: reviewed(path))
        for name in _FORMATS:
            allow_refusal(lambda name=name: exported(path, name))  # type: ignore[misc]

    return check


def resumed_logs() -> Check:
    """Open a log as the recorder does at its start: resume it, or quarantine it and create a new one."""
    folder = Path(_SCRATCH.name) / "resumed"
    folder.mkdir(exist_ok=True)

    def check(data: bytes) -> None:
        for old in folder.iterdir():
            old.unlink()
        path = folder / "stage.db"
        path.write_bytes(data)
        try:
            log, quarantined = open_log(path)
        except StagelogError as error:
            assert_readable(error)
            assert path.read_bytes() == data
            return
        # SQLite may have changed the header and filled the last page before it found the damage.
        assert quarantined is None or quarantined.read_bytes()[100:].startswith(data[100:])
        log.close()
        log, _ = begin_log(path, START, META, lambda _aside: drive())
        try:
            log.write(frames(3))
            log.commit()
        except sqlite3.DatabaseError:
            pass  # found while writing: then the writer quarantines the log (writer._handle_error)
        log.abandon()

    return check


TARGETS: dict[str, tuple[Callable[[], list[bytes]], Callable[[], Check]]] = {
    "log": (lambda: [made_log()], damaged_logs),
    "resume": (lambda: [made_log()], resumed_logs),
}
