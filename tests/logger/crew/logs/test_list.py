"""The list of logs over HTTP, and the formats that it offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from logger.export.formats import FORMATS
from tests.logger.crew.logs.log_requests import ASIDE, CLOSED, LIVE
from tests.logger.crew.serving import Served, serving


def test_the_list_has_only_the_logs(served: Served) -> None:
    found = {entry["name"]: entry for entry in served.ask("/api/logs").json["logs"]}
    assert sorted(found) == ["garbage.db", CLOSED, ASIDE, f"{ASIDE}-wal", LIVE, 'Étape 3 "a".db']
    assert found[CLOSED]["state"] == "closed"
    assert found[LIVE]["state"] == "open"
    assert found["garbage.db"]["state"] == "damaged"
    assert found["garbage.db"]["trouble"]
    assert found[ASIDE]["state"] == found[f"{ASIDE}-wal"]["state"] == "damaged"
    entry = found[CLOSED]
    assert entry["rows"] == 3008
    assert entry["size"] == (served.output.parent / "logs" / CLOSED).stat().st_size
    assert entry["begun_utc"] is None


def test_the_list_reports_each_section_as_driven(place: Path, tmp_path: Path) -> None:
    """Two sections, a power cut in the second, and rows between the sections."""
    from logger.logfile.rows import ProgressRow, Rows
    from logger.logfile.store import Log
    from tests.logger.logfile.rows_made import META, START

    (tmp_path / "logs").mkdir()
    drives: list[list[list[tuple[int | None, float]]]] = [
        [
            [(0, 500.0), (0, 320_000.0), (None, 320_000.0), (1, 100.0), (1, 90_000.0)],
            [(1, 90_010.0), (1, 346_000.0)],
        ],
        [[(None, 5_000.0), (None, 666_000.0)]],
    ]
    for rows_of_sessions in drives:
        log = Log(tmp_path / "logs" / f"stage-{len(rows_of_sessions)}-001.db")
        for rows_of_session in rows_of_sessions:
            log.begin_session(START, META | {"stage": "Bisha"})
            progress = [
                ProgressRow(10**6 * t_s, section, distance_m, 1.0, 20.0, None, 20.0)
                for t_s, (section, distance_m) in enumerate(rows_of_session)
            ]
            log.write(Rows(progress=progress))
        log.close()
    with serving(tmp_path, place / "live.sock") as server:
        for entry in server.ask("/api/logs").json["logs"]:
            assert (entry["stage"], entry["distance_km"]) == ("Bisha", 666.0)


def test_every_available_export_format_is_offered(served: Served) -> None:
    offered = served.ask("/api/logs").json["exports"]
    assert [one["format"] for one in offered] == [name for name in FORMATS if name != "openrally"]
    assert all(one["opens_in"] == FORMATS[one["format"]].opens_in for one in offered)


def test_offering_formats_imports_none_of_their_libraries() -> None:
    code = "import sys, logger.crew.server; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    modules = set(seen.split())
    assert "logger.export.formats" in modules
    assert not modules & {"numpy", "pyarrow", "asammdf", "can", "gpxpy", "cantools"}
