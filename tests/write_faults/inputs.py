"""Inputs of the trials: a folder with one file of each kind, the car's server, the stick."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

from tests.field_failures.small_disk import small_disk
from tests.logger import drives
from tests.logger.crew.serving import serving
from tests.logger.short_stage import FEW, simulated
from tests.write_faults import cases
from tests.write_faults.cases import LOG, ROUTE, Case

NAMES = [*(case.name for case in cases.FIXED), *(case.name for case in cases.fetching(0)), "stick"]
_CONFIG = '[log]\ndirectory = "logs"\n[gps]\nport = "gps"\n[live]\nsocket = "live.sock"\n'
_STICK_MB = 24


def make_template(folder: Path) -> Path:
    """Create the inputs of every case."""
    folder.mkdir()
    log = simulated(folder, FEW)
    assert log == folder / "logs" / LOG
    shutil.copy(log, folder / "shorter.db")
    with closing(sqlite3.connect(folder / "shorter.db")) as connection, connection:
        for table in ("frame", "sentence", "fix"):
            connection.execute(f"DELETE FROM {table} WHERE rowid > 100")
    for name, seconds in (("other.db", 600), ("another.db", 620)):
        drives.write_log(folder / name, drives.fixes(drives.plan(seconds), 1))
    (folder / "route.gpx").write_text(ROUTE)
    (folder / "stagelog.toml").write_text(_CONFIG)
    return folder


@contextmanager
def ready(name: str, template: Path) -> Iterator[Case]:
    """A case, with the server or the disk that it needs running."""
    if name == "stick":
        with small_disk(template.with_name(f"disk-{uuid4().hex}"), _STICK_MB) as place:
            yield cases.stick(place / "here")
    elif "fetch" in name:
        with tempfile.TemporaryDirectory() as car:
            shutil.copytree(template / "logs", Path(car) / "logs")
            with serving(Path(car), Path(car) / "live.sock") as server:
                yield next(case for case in cases.fetching(server.port) if case.name == name)
    else:
        yield next(case for case in cases.FIXED if case.name == name)
