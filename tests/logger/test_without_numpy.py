"""The car's verbs run without numpy and the other optional packages; the rest name the extra that they need."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.field_failures import recorder_process
from tests.field_failures.recorder_process import NumberedBus, has_rows, recording, until, write_config
from tests.field_failures.small_disk import small_disk
from tests.logger import command_line
from tests.logger.command_line import ROOT, stagelog
from tests.logger.crew.serving import serving

OPTIONAL = ("numpy", "pandas", "pyarrow", "asammdf", "dask", "distributed", "duckdb", "fsspec")
HIDE = f"""
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""
"""Python runs a module `sitecustomize` at its start, in every child process too."""
FRAMES = 1000
ROUTE = """<gpx version="1.1" creator="t" xmlns="http://www.topografix.com/GPX/1/1">
<wpt lat="24" lon="45"><name>DSS</name></wpt><wpt lat="24.05" lon="45"><name>ASS</name></wpt>
<trk><trkseg><trkpt lat="24" lon="45"/><trkpt lat="24.05" lon="45"/></trkseg></trk></gpx>"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded log beside its configuration."""
    folder = tmp_path_factory.mktemp("without")
    (folder / "hidden").mkdir()
    (folder / "hidden" / "sitecustomize.py").write_text(HIDE)
    (folder / "route.gpx").write_text(ROUTE)
    path = folder / "logs" / "drive-001.db"
    with pytest.MonkeyPatch.context() as patched, NumberedBus(rate=2000) as bus:
        hide(folder, patched)
        with recording(write_config(folder, bus.port)) as process:
            until(lambda: any((folder / "logs").glob("*.db")))
            (path,) = (folder / "logs").glob("*.db")
            until(has_rows(path, FRAMES))
            recorder_process.stop(process)
    return path


def hide(folder: Path, patched: pytest.MonkeyPatch) -> None:
    """Hide the packages from the processes that the test starts."""
    search = f"{folder / 'hidden'}:{ROOT}"
    patched.setenv("PYTHONPATH", search)
    patched.setitem(command_line.ENVIRONMENT, "PYTHONPATH", search)


@pytest.fixture
def hidden(log: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the log, with the packages hidden."""
    hide(log.parent.parent, monkeypatch)
    return log.parent.parent


@pytest.mark.parametrize(
    "arguments",
    [
        ["logs", "logs"],
        ["info", "LOG"],
        ["verify", "LOG"],
        ["check", "stagelog.toml"],
        ["import", "route.gpx", "-o", "OUT/stage.toml"],
        ["replay", "LOG", "-o", "OUT"],
        ["protect", "LOG"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_verb_of_the_car_runs(arguments: list[str], hidden: Path, log: Path, tmp_path: Path) -> None:
    words = [argument.replace("LOG", str(log)).replace("OUT", str(tmp_path)) for argument in arguments]
    done = stagelog(*words, folder=hidden)
    assert "numpy" not in done.err
    assert done.code in (0, 1), done.err


def test_stick_copies(hidden: Path, log: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "stick", 20) as disk:
        done = stagelog("stick", disk, "-c", "stagelog.toml", folder=hidden)
        assert done.code == 0, done.err
        assert [path.name for path in disk.rglob("*.db")] == [log.name]


def test_verify_checks_each_row(hidden: Path, log: Path, tmp_path: Path) -> None:
    """Without numpy there is no screening of whole tables."""
    damaged = tmp_path / "damaged.db"
    shutil.copy(log, damaged)
    connection = sqlite3.connect(damaged)
    connection.execute("UPDATE frame SET t_us = 1 WHERE rowid = 500")
    connection.commit()
    connection.close()
    assert stagelog("verify", log, folder=hidden).code == 0
    done = stagelog("verify", damaged, folder=hidden)
    assert done.code == 1
    assert "time runs backwards" in done.out


def test_the_crew_server_offers_the_possible_formats(hidden: Path, log: Path, tmp_path: Path) -> None:
    with serving(tmp_path, tmp_path / "live.sock", logs=log.parent) as server:
        assert server.ask("/").status == 200
        listing = server.ask("/api/logs").json
        assert [entry["name"] for entry in listing["logs"]] == [log.name]
        assert listing["exports"] == []
        assert listing["reviews"] is False
        assert server.ask(f"/api/logs/{log.name}").body[:15] == b"SQLite format 3"
        assert server.ask(f"/logs/{log.name}/review").status == 409


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (["demo", "-o", "OUT"], "numpy", "review"),
        (["simulate", "dakar-2026-11", "-o", "OUT"], "numpy", "review"),
        (["review", "LOG"], "numpy", "review"),
        (["compare", "LOG", "LOG"], "numpy", "review"),
        (["standings", "LOG"], "numpy", "review"),
        (["export", "LOG", "--format", "gpx"], "numpy", "review"),
        (["fleet", "add", "LOG", "--store", "OUT"], "pyarrow", "fleet"),
        (["fleet", "query", "SELECT 1", "--store", "OUT"], "pyarrow", "fleet"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_the_others_name_the_extra(
    arguments: list[str], package: str, extra: str, hidden: Path, log: Path, tmp_path: Path
) -> None:
    words = [argument.replace("LOG", str(log)).replace("OUT", str(tmp_path)) for argument in arguments]
    done = stagelog(*words, folder=hidden)
    assert done.code == 64
    assert done.complaint == (
        f'stagelog: {arguments[0]}: needs {package}, which is not installed; pip install "stagelog[{extra}]"'
    )
