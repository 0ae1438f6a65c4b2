"""Steps on a hostile log: verbs that read it, with exit codes and checks, and the recorder's start."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from logger import LogError, open_log
from logger.config import configuration as configs
from logger.doctor import judge_storage, probe_logs
from logger.logfile.verify import verify
from logger.notebook.opened_log import OpenedLog
from logger.recorder.daemon import Recorder
from tests.fuzz.hostile import endpoints
from tests.fuzz.hostile.scene import Scene
from tests.logger.crew.serving import Served
from tests.logger.json_documents import checked

DONE, DAMAGED = 0, 74
_REFUSED = (DONE, 64, DAMAGED)
"""Allowed exit codes of a refusal: 74 for the log, 64 for an itinerary, rules or a DBC in it."""


def _nothing(_scene: Scene, _out: str) -> None:
    """Check nothing."""


class Step(NamedTuple):
    """A verb with its arguments. `check` gets its standard output."""

    arguments: tuple[str, ...]
    codes: tuple[int, ...]
    check: Callable[[Scene, str], None] = _nothing


def _satisfies(name: str) -> Callable[[Scene, str], None]:
    """Check that an output, if there is one, is a document of this name."""

    def check(_scene: Scene, out: str) -> None:
        if out:
            checked(name, out)

    return check


def _lists_both(scene: Scene, out: str) -> None:
    """The hostile log affects only its own entry."""
    found = {entry["log"]: entry for entry in checked("logs", out)["logs"]}
    assert found[scene.honest.name]["state"] == "closed", found
    assert scene.log.name in found or not scene.log.is_file(), found


def _is_honest(scene: Scene, out: str) -> None:
    assert not (scene.never_whole and out.rstrip().endswith(": whole")), "verify calls it whole"


def _is_well_formed(name: str) -> Callable[[Scene, str], None]:
    def check(scene: Scene, _out: str) -> None:
        path = scene.out / name
        if path.exists():
            expat.ParserCreate().Parse(path.read_bytes(), True)

    return check


def steps(scene: Scene) -> dict[str, Step]:
    """The verbs by name, in their order: `fleet review` comes after `fleet add`."""
    log, honest, out = str(scene.log), str(scene.honest), scene.out
    store = ("--store", str(scene.store))

    def export(name: str, *more: str) -> Step:
        target = f"{name}{''.join(more)}"
        check = _is_well_formed(target) if name in ("gpx", "kml", "openrally") else _nothing
        return Step(("export", log, "--format", name, *more, "-o", str(out / target)), _REFUSED, check)

    return {
        "logs": Step(("logs", str(scene.logs)), (DONE,)),
        "logs --json": Step(("logs", str(scene.logs), "--json"), (DONE,), _lists_both),
        "info": Step(("info", log), (DONE, DAMAGED)),
        "info --json": Step(("info", log, "--json"), (DONE, DAMAGED), _satisfies("info")),
        "verify --json": Step(("verify", log, "--json"), (DONE, 1), _satisfies("verify")),
        "verify": Step(("verify", log), (DONE, 1, DAMAGED), _is_honest),
        "replay": Step(("replay", log), _REFUSED),
        "replay -o": Step(("replay", log, "-o", str(out / "replayed")), _REFUSED),
        "review": Step(("review", log), _REFUSED),
        "review --json --html": Step(
            ("review", log, "--json", "--html", str(out / "page.html")), _REFUSED, _satisfies("review")
        ),
        "compare": Step(
            ("compare", honest, log, "--json", "--html", str(out / "two.html")),
            _REFUSED,
            _satisfies("compare"),
        ),
        "standings": Step(("standings", log, honest, "--json"), _REFUSED, _satisfies("standings")),
        "export gpx": export("gpx"),
        "export csv": export("csv"),
        "export csv --frames": export("csv", "--frames"),
        "export csv --signals": export("csv", "--signals"),
        "export csv --section": export("csv", "--section", "1"),
        "export kml": export("kml"),
        "export vbo": export("vbo"),
        "export motec": export("motec"),
        "export motec --signals": export("motec", "--signals"),
        "export parquet": export("parquet"),
        "export parquet --frames": export("parquet", "--frames"),
        "export parquet --signals": export("parquet", "--signals"),
        "export candump": export("candump"),
        "export asc": export("asc"),
        "export blf": export("blf"),
        "export mf4": export("mf4"),
        "export mf4 --signals": export("mf4", "--signals"),
        "export openrally": export("openrally"),
        "fleet add": Step(("fleet", "add", log, "--frames", *store), (DONE, 1)),
        "fleet review": Step(
            ("fleet", "review", "--workers", "0", "--json", *store), (DONE, 1, 64), _satisfies("fleet_review")
        ),
        "fleet query": Step(
            ("fleet", "query", "SELECT count(*), max(speed_mps) FROM fix", "--json", *store), (DONE, 64)
        ),
        "stick": Step(("stick", str(scene.stick), "-c", str(scene.config), "--all"), (DONE, 1)),
        "fetch": Step(
            ("fetch", scene.served.url, str(out / "fetched"), "--patience", "20"), (DONE, 1, 69, DAMAGED)
        ),
        "protect": Step(("protect", log), (DONE, DAMAGED)),
    }


def shelf(scene: Scene) -> None:
    """Print the doctor's findings on the log directory."""
    for finding in judge_storage.judge_logs(probe_logs.probe(scene.logs, [scene.logs], set())):
        print(finding)


def columns(scene: Scene) -> None:
    """Read each table from Python. A fault is a LogError of one line."""
    for read in (OpenedLog.fix, OpenedLog.frame, OpenedLog.reading, OpenedLog.speed, OpenedLog.events):
        try:
            read(open_log(scene.log))
        except LogError as error:
            assert "\n" not in str(error), error


def start(scene: Scene) -> None:
    """Start the recorder in a folder with the log, record and stop. If it creates a new log, that one is whole."""
    config = configs.load(scene.recorder_config)
    recorder = Recorder(config)
    stop = threading.Event()
    rounds = iter(range(5))
    recorder.run(stop, lambda: stop.set() if next(rounds, None) is None else None)
    status = recorder.status().writer
    path = Path(status.path)
    assert status.commits, status
    assert not status.trouble, status
    if path != scene.recorded:
        assert not verify(path), verify(path)


def _with_server(check: Callable[[Scene, Served], None]) -> Callable[[Scene], None]:
    return lambda scene: check(scene, scene.served)


FUNCTIONS: dict[str, Callable[[Scene], None]] = {
    "doctor's shelves": shelf,
    "logger.open_log": columns,
    "recorder's start": start,
    **{name: _with_server(check) for name, check in endpoints.EVERY.items()},
}
"""Steps that are functions: they are no verbs, or the verb would also open ports."""
SOMETIMES: dict[str, Callable[[Scene], None]] = {
    name: _with_server(check) for name, check in endpoints.SOME.items()
}
"""Steps that start processes of about a second each, for some logs only."""
