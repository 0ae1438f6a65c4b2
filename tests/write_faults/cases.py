"""Cases: the verbs that write files, with inputs, commands, and checks that hold after any fault."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from logger.fleet.add import restore
from logger.fleet.catalogue import entries
from logger.fleet.store import Store
from logger.logfile.verify import verify
from logger.stick.delivery import FOLDER
from logger.transfer.state import state_of
from tests.logger.command_line import stagelog
from tests.logger.short_stage import FEW
from tests.write_faults import installing

LOG = "test-7-car-1-001.db"
ROUTE = """<?xml version="1.0"?>
<gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">
<wpt lat="24.0" lon="45.0"><name>DSS</name></wpt><wpt lat="24.1" lon="45.1"><name>ASS</name></wpt>
<trk><trkseg><trkpt lat="24.0" lon="45.0"/><trkpt lat="24.1" lon="45.1"/></trkseg></trk></gpx>
"""
OLD = "what was there before\n"


@dataclass
class Case:
    """A verb. `writes` is a path in the folder that it runs in; `check` raises AssertionError if there is harm."""

    name: str
    arguments: Sequence[str | Path]
    check: Callable[[Path], None]
    prepare: Callable[[Path], None] = lambda _folder: None
    writes: str = "out"
    reported: str = "out"
    """A part of the file name in the error of a full disk."""
    ignored: str = ""
    """Names of files that may remain: a regular expression."""
    only_own: bool = False
    """Whether faults are placed only in the first process, not in programs that it runs."""
    near: Path | None = None
    """The folder that the verb writes to, if it is outside of the folder that it runs in."""


def old_file(name: str) -> Callable[[Path], None]:
    """Prepare an earlier output with this name."""

    def prepare(folder: Path) -> None:
        (folder / "out" / name).write_text(OLD)

    return prepare


def old_or_whole(name: str, end: bytes) -> Callable[[Path], None]:
    """Check that the output is the earlier one, or a complete new one."""

    def check(folder: Path) -> None:
        found = (folder / "out" / name).read_bytes()
        assert found == OLD.encode() or found.rstrip().endswith(end), found[-100:]

    return check


def whole_logs(where: str) -> Callable[[Path], None]:
    """Check that every file with a log's name is a whole log."""

    def check(folder: Path) -> None:
        for log in (folder / where).rglob("*.db"):
            assert verify(log) == [], log

    return check


def shorter_log(folder: Path) -> None:
    """Prepare an earlier, shorter copy of the log."""
    shutil.copy(folder / "shorter.db", folder / "out" / LOG)


def never_shorter(where: str) -> Callable[[Path], None]:
    """Check that the copy is whole and not shorter than the earlier one."""

    def check(folder: Path) -> None:
        whole_logs(where)(folder)
        assert state_of(folder / where / LOG).rows >= state_of(folder / "shorter.db").rows

    return check


def old_store(folder: Path) -> None:
    """Prepare a store with a log of another car."""
    ended = stagelog("fleet", "add", "other.db", "--store", "out/store", folder=folder)
    assert ended.code == 0, ended.err


def whole_store(folder: Path) -> None:
    """Check that every log of the store can be restored."""
    store = Store(str(folder / "out" / "store"))
    logs = entries(store)
    assert any(entry.name == "other.db" for entry in logs)
    for entry in logs:
        log = restore(store, entry, folder.parent)
        assert verify(log) == []
        log.unlink()


def _earlier_log(folder: Path) -> None:
    shutil.copy(folder / "logs" / LOG, folder / "out" / LOG)


FIXED = [
    Case(
        "export gpx",
        ("export", f"logs/{LOG}", "--format", "gpx", "-o", "out/it.gpx"),
        old_or_whole("it.gpx", b"</gpx>"),
        old_file("it.gpx"),
    ),
    Case(
        "export mf4",
        ("export", f"logs/{LOG}", "--format", "mf4", "-o", "out/it.mf4"),
        lambda folder: _is_old_or(folder / "out" / "it.mf4", b"MDF     4.10"),
        old_file("it.mf4"),
    ),
    Case(
        "export parquet",
        ("export", f"logs/{LOG}", "--format", "parquet", "-o", "out/it.parquet"),
        old_or_whole("it.parquet", b"PAR1"),
        old_file("it.parquet"),
    ),
    Case(
        "review --html",
        ("review", f"logs/{LOG}", "--html", "out/it.html"),
        old_or_whole("it.html", b"</html>"),
        old_file("it.html"),
    ),
    Case(
        "compare --html",
        ("compare", "other.db", "another.db", "--html", "out/it.html"),
        old_or_whole("it.html", b"</html>"),
        old_file("it.html"),
    ),
    Case(
        "import",
        ("import", "route.gpx", "-o", "out/stage.toml"),
        lambda folder: _is_old_or(folder / "out" / "stage.toml", b""),
        old_file("stage.toml"),
    ),
    Case("replay", ("replay", f"logs/{LOG}", "-o", "out"), whole_logs("out")),
    Case(
        "simulate",
        ("simulate", "short.toml", "-o", "out", "--section", "1", *FEW),
        lambda folder: _is_whole(folder / "out" / LOG),
        _earlier_log,
        reported="(out|/dev/shm)",  # a fault may hit the memory that its processes share
    ),
    Case("fleet add", ("fleet", "add", f"logs/{LOG}", "--store", "out/store"), whole_store, old_store),
    Case(
        "fleet review",
        ("fleet", "review", "--store", "out/store", "--workers", "0"),
        whole_store,
        old_store,
    ),
    Case(
        "install",
        installing.ARGUMENTS,
        installing.check,
        installing.prepare,
        reported=".*/",
        ignored=installing.UNFOLLOWED,
        only_own=True,
    ),
]


def fetching(port: int) -> list[Case]:
    """The cases that need a car's server."""
    car = f"http://127.0.0.1:{port}"
    return [
        Case("fetch", ("fetch", car, "out", "--patience", "60"), never_shorter("out"), shorter_log),
        Case(
            "fleet fetch",
            ("fleet", "fetch", car, "--folder", "out", "--store", "out/store", "--patience", "60"),
            whole_store,
            old_store,
        ),
    ]


def stick(place: Path) -> Case:
    """The case that needs another disk: `place` is a folder on it."""

    def prepare(folder: Path) -> None:
        shutil.rmtree(place, ignore_errors=True)
        (place / FOLDER).mkdir(parents=True)
        shutil.copy(folder / "shorter.db", place / FOLDER / LOG)

    def check(folder: Path) -> None:
        copy = place / FOLDER / LOG
        assert verify(copy) == []
        assert state_of(copy).rows >= state_of(folder / "shorter.db").rows

    return Case(
        "stick",
        ("stick", place, "-c", "stagelog.toml"),
        check,
        prepare,
        near=place,
        reported=str(place.parent),
        ignored=r"delivered\.jsonl",
    )


def _is_old_or(path: Path, begin: bytes) -> None:
    found = path.read_bytes()
    assert found == OLD.encode() or (found and found.startswith(begin)), found[:100]


def _is_whole(log: Path) -> None:
    assert verify(log) == []
