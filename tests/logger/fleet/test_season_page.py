"""The season's index: its figures are those of each review, and a hostile log costs its own row only."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from logger.boundary.time_text import elapsed_text
from logger.fleet import season_folder
from logger.fleet.add import Adder
from logger.fleet.catalogue import entries
from logger.fleet.store import Store
from logger.fleet.verbs import fleet
from tests.logger import hostile_texts
from tests.logger.command_line import Ended, stagelog
from tests.logger.fleet.stores import forged
from tests.logger.json_documents import checked

CHANNEL = "INSERT INTO channel (id, name, unit, source) VALUES (9, 'coolant_c', 'degC', 'test')"
COOLANT = "INSERT INTO reading SELECT session, t_us, 9, {} + t_us / 100e6 FROM reading GROUP BY session, t_us"
STAGE = "UPDATE meta SET value = replace(value, 'number = 7', 'number = {}') WHERE key = 'itinerary'"
NO_ENGINE = ("DELETE FROM reading", "DELETE FROM channel")
NEW_LOG = "UPDATE session SET boot_id = 'stage {}'"
HALF_US = 400_000_000


def mark(note: str) -> str:
    detail = json.dumps({"name": "mark", "arguments": {"note": note}})
    return f"INSERT INTO event VALUES (1, {HALF_US}, 'command', '{detail}')"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory, pair: list[Path]) -> list[Path]:
    """Three stages of car 71, and two of car 72, which has no engine data in its first one."""
    folder = tmp_path_factory.mktemp("season")
    made = []
    for stage in (7, 8, 9):
        name = folder / f"test-{stage}-car-71-001.db"
        more = [mark("belt changed")] if stage == 9 else []
        made.append(
            forged(
                pair[0],
                name,
                CHANNEL,
                COOLANT.format(80 + stage),
                STAGE.format(stage),
                NEW_LOG.format(stage),
                *more,
            )
        )
    for stage in (7, 8):
        name = folder / f"test-{stage}-car-72-001.db"
        made.append(
            forged(
                pair[1], name, STAGE.format(stage), NEW_LOG.format(stage), *(NO_ENGINE if stage == 7 else ())
            )
        )
    return made


@pytest.fixture(scope="module")
def store(logs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("store") / "season"))
    for log in logs:
        Adder(store).add(log)
    return store


def season(store: Store, folder: Path, *options: str | Path) -> Ended:
    """Run `stagelog fleet review`."""
    return stagelog("fleet", "review", "--store", store.url, "--workers", "0", *options, folder=folder)


@pytest.fixture(scope="module")
def written(store: Store, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with the index and the pages of all logs, and the document of that review."""
    folder = tmp_path_factory.mktemp("written")
    ended = season(store, folder, "-o", "pages", "--json")
    assert ended.code == 0, ended.err
    return folder / "pages", checked("fleet_review", ended.out)


class Cells(HTMLParser):
    """The tables of a page: a list of rows per heading, each a list of texts; every tag and address."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self._rows: list[list[str]] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [str(value) for name, value in attributes if name in ("href", "src", "onclick")]
        if tag == "h2":
            self._title = ""
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == "h2":
            self._rows = self.tables.setdefault(self._title, [])
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "h2":
            self._title += data
        elif self._rows and self._rows[-1]:
            self._rows[-1][-1] += data


def test_the_figures_are_those_of_each_review(written: tuple[Path, dict[str, Any]], logs: list[Path]) -> None:
    folder, document = written
    cells = Cells((folder / "index.html").read_text(encoding="utf-8"))
    found = {(entry["car"], entry["stage"]): entry for entry in document["logs"]}
    assert len(found) == len(logs) == 5
    for log in logs:
        review = json.loads(stagelog("review", log, "--json", folder=folder).out)
        car, stage = review["car"]["number"], review["stage"]["number"]
        entry = found[car, stage]
        coolant_c = review["engine"].get("coolant_c", {}).get("max")
        driven_km = sum(section["distance_km"] for section in review["sections"])
        assert entry["coolant_max_c"] == coolant_c
        assert entry["engine_running_s"] == review["engine_running_s"]
        assert entry["penalty_s"] == review["penalty_s"]
        assert entry["distance_km"] == pytest.approx(driven_km, abs=0.0002)
        at, line = 2 + stage - 7, 1 if car == 71 else 2  # after the car and the curve
        shown = {title: rows[line][at] for title, rows in cells.tables.items() if len(rows[line]) > at}
        assert shown["Highest coolant temperature (°C)"] == ("-" if coolant_c is None else f"{coolant_c:.4g}")
        assert shown["Distance driven (km)"] == f"{driven_km:.2f}"
        assert shown["Penalties"] == elapsed_text(review["penalty_s"])
        time = elapsed_text(review["sections"][0]["elapsed_s"])
        result = cells.tables["Test: time, penalty and state"][line][at - 1]
        assert result == f"{time} +{elapsed_text(review['penalty_s'])}finished"


def test_hours_on_the_belt(written: tuple[Path, dict[str, Any]], store: Store, tmp_path: Path) -> None:
    _, document = written

    def belt(document: dict[str, Any]) -> dict[tuple[int, int], tuple[float | None, bool | None]]:
        return {
            (entry["car"], entry["stage"]): (entry["belt_running_s"], entry["belt_complete"])
            for entry in document["logs"]
        }

    running_s = document["logs"][0]["engine_running_s"]
    assert running_s > 600
    times = belt(document)
    assert times[71, 7] == (running_s, True)
    assert times[71, 8] == (2 * running_s, True)
    assert times[71, 9][0] == pytest.approx(running_s - HALF_US / 1e6, abs=10), "the crew marked the change"
    assert times[72, 7] == (None, None)
    assert times[72, 8][1] is False, "the first stage is missing"
    ended = season(store, tmp_path, "--belt", "71:8", "--belt", "72:8", "--json", "--html", "one.html")
    times = belt(checked("fleet_review", ended.out))
    assert times[71, 7] == times[71, 8] == (running_s, True)
    assert times[72, 8][1] is True
    text = (tmp_path / "one.html").read_text(encoding="utf-8")
    assert Cells(text).tables["Engine hours on the belt after the stage"][1][3] == elapsed_text(running_s)
    assert Cells(text).addresses == []


@pytest.mark.parametrize("belt", ["71", "71:x", "9:7", "71:8:9", ""])
def test_a_wrong_belt_is_one_line(belt: str, store: Store, tmp_path: Path) -> None:
    ended = season(store, tmp_path, "--belt", belt)
    assert (ended.code, ended.out) == (64, "")
    assert "--belt" in ended.complaint


def test_each_log_has_a_page_beside_the_index(
    written: tuple[Path, dict[str, Any]], store: Store, tmp_path: Path
) -> None:
    folder, _ = written
    cells = Cells((folder / "index.html").read_text(encoding="utf-8"))
    assert sorted(cells.addresses) == sorted({path.name for path in folder.iterdir()} - {"index.html"})
    assert len(cells.addresses) == 5
    assert all(re.fullmatch(r"test-\d-car-7\d-[0-9a-f]{12}\.html", name) for name in cells.addresses)
    assert "script" not in cells.tags
    for address in cells.addresses:
        assert "<canvas" in (folder / address).read_text(encoding="utf-8")
    there = tmp_path / "there"
    there.mkdir()
    assert season(store, tmp_path, "--html", there, "--car", "71").code == 0
    assert len(list(there.iterdir())) == 4


def test_hostile_and_broken_logs_cost_their_own_row(store: Store, logs: list[Path], tmp_path: Path) -> None:
    hostile = Store(str(tmp_path / "hostile"))
    Adder(hostile).add(hostile_texts.write_log(tmp_path / "odd-001.db"))
    for log in logs[:2]:
        Adder(hostile).add(log)
    spoiled = next(entry for entry in entries(hostile) if entry.stage == 8)
    (tmp_path / "hostile" / spoiled.copy).write_bytes(b"no log")
    ended = season(hostile, tmp_path, "-o", "pages")
    assert ended.code == 1
    text = (tmp_path / "pages/index.html").read_text(encoding="utf-8")
    cells = Cells(text)
    assert "script" not in cells.tags
    assert "<b>&" not in text
    assert len(cells.addresses) == 2
    assert all(re.fullmatch(r"[a-z0-9-]+\.html", address) for address in cells.addresses)
    assert "[red]red[/red]" in text
    assert "cannot be reviewed" in text
    assert spoiled.log in "".join(cells.tables["Problems (1)"][-1])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hostile", "odd-001.db", "pages"]


def test_too_many_pages_are_refused_before_the_work(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(season_folder, "MAX_PAGES", 4)
    from click.testing import CliRunner

    arguments = ["review", "--store", store.url, "--workers", "0", "-o", str(tmp_path / "pages")]
    result = CliRunner().invoke(fleet, arguments, standalone_mode=False)
    assert "5 logs: a folder gets up to 4 pages" in str(result.exception)
    assert not (tmp_path / "pages").exists()


def test_a_file_in_place_of_the_folder_is_one_line(store: Store, tmp_path: Path) -> None:
    (tmp_path / "pages").write_text("mine")
    ended = season(store, tmp_path, "-o", "pages")
    assert (ended.code, ended.out) == (74, "")
    assert "pages" in ended.complaint
    assert (tmp_path / "pages").read_text() == "mine"
