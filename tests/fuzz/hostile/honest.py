"""The valid log that hostile logs are made from: 150 s of a timed section with rows in every table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from logger.config import configuration as configs
from logger.judgement.recorded_input import RecordedFixes
from logger.logfile.bulk_log import BulkLog
from logger.logfile.columns import COLUMNS
from logger.logfile.store import SessionStart
from logger.recorder import setup, stage_files
from logger.recorder.pipeline import Pipeline
from logger.recorder.restart_state import Origin, state_text
from logger.recorder.sources import Source
from tests.logger.drives import CAR, ITINERARY, Readings, fixes, plan
from tests.logger.export.logs_made import DBC, frames

NAME = "test-7-car-71-001.db"
"""The recorder's name for a log of this stage and car; it resumes this file at its start."""
TABLES = (*COLUMNS, "_sqlite_migrations")
"""Every table of a log."""
_DRIVE_S, _RPM_ID = 150, 0x100


def write(path: Path) -> Path:
    """Write the log and close it."""
    stage = stage_files.stage_of(ITINERARY, "short")
    source = Source("gps", fixes=RecordedFixes(fixes(plan(), hz=1)[:_DRIVE_S]))
    pipeline = Pipeline([source], Readings(), stage.live(CAR.class_name))
    pipeline.command(0, "start_section", {"index": 0})
    with BulkLog(path) as log:
        log.begin_session(
            SessionStart("boot", "1970-01-01T00:00:12+00:00", "stagelog test", "[car]\nnumber = 71\n"),
            setup.describe(configs.Config(car=CAR), stage, {}),
        )
        end_us = _DRIVE_S * 1_000_000
        pipeline.finish(end_us)
        state = state_text(pipeline, Origin("boot", 0), end_us)
        pipeline.event(end_us, "link", {"port": "gps", "state": "open"})
        pipeline.event(end_us, "mark", {"text": "Überfahrt"})
        pipeline.event(end_us, "session_end", {"reason": "stopped"})
        log.put(pipeline.take())
    rows = [(frame.t_us, frame.bus, frame.can_id, frame.data) for frame in frames()]
    rows += [(n * 1_000_000, 0, _RPM_ID, bytes((n % 256, 8, 90, 0, 0, 0, 0, 0))) for n in range(100)]
    texts = [
        (n * 1_000_000, f"$GPGLL,5057.97{n % 10},N,00146.110,E,1424{n % 60:02d},A*27") for n in range(30)
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO frame VALUES (1, ?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO sentence VALUES (1, ?, 'gps', ?)", texts)
        connection.execute("INSERT INTO rejected VALUES (1, 5000000, 'gps', 'checksum', x'24475001')")
        connection.execute("INSERT INTO meta VALUES ('dbc:a.dbc', ?)", (DBC,))
        connection.execute("INSERT INTO meta VALUES ('state', ?)", (state,))
    return path
