"""Reproduce the article's figures on the command line: simulate, review, compare, standings."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.logger.command_line import Ended, stagelog

DEMO = Path(str(files("logger.demo")))
CARS = (BACIUSKA, PETERHANSEL, PRICE) = 501, 502, 503
BASSO = 504
SPLITS = {
    BACIUSKA: ("0:24:31", "1:25:10", "2:25:02", "3:27:36"),
    PETERHANSEL: ("0:24:20", "1:25:26", "2:26:00", "3:28:25"),
    PRICE: ("0:24:38", "1:25:44", "2:26:07", "3:28:33"),
}
"""CP1, CP2, CP3 and ASS. The article has the winner's time, 11 s at km 43, about a minute at 241, 49 s at the end."""
HOUR_S = 3600


def run(three_cars: list[Path], verb: str, *arguments: str | Path) -> Ended:
    """Run a verb that succeeds without complaints."""
    ended = stagelog(verb, *arguments, folder=three_cars[0].parent)
    assert (ended.code, ended.complaints) == (0, []), ended.err
    return ended


def cells(text: str) -> list[list[str]]:
    """The lines of printed tables, split into columns."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()]


def test_the_logs_are_whole(three_cars: list[Path]) -> None:
    for log in three_cars:
        run(three_cars, "verify", log)


@pytest.fixture(scope="module")
def reviews(three_cars: list[Path]) -> dict[int, dict[str, Any]]:
    """The output of `review --json` for each car."""
    documents = [json.loads(run(three_cars, "review", log, "--json").out) for log in three_cars]
    return {document["car"]["number"]: document for document in documents}


def selective(document: dict[str, Any]) -> dict[str, Any]:
    [found] = [section for section in document["sections"] if section["kind"] == "selective"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("car", CARS)
def test_review_prints_each_split_to_the_second(three_cars: list[Path], car: int) -> None:
    [log] = [path for path in three_cars if f"-car-{car}-" in path.name]
    lines = cells(run(three_cars, "review", log).out)
    splits = [(line[1], line[3]) for line in lines if line[0] == "SS11" and len(line) == 5]
    assert splits == list(zip(("CP1", "CP2", "CP3", "ASS"), SPLITS[car], strict=True))
    assert [line[2:] for line in lines if line[0] == "dn"] == [["0:15:00", "0:15:00"]], "the refuelling"


def test_the_winner_drives_346_km_at_100_km_an_hour(reviews: dict[int, dict[str, Any]]) -> None:
    section = selective(reviews[BACIUSKA])
    assert (section["name"], section["length_km"]) == ("SS11", 346.0)
    assert section["distance_km"] == pytest.approx(346.0, abs=0.001)
    assert section["elapsed_s"] == pytest.approx(3 * HOUR_S + 27 * 60 + 36, abs=0.5)
    assert section["average_kmh"] == pytest.approx(100.0, abs=0.005)
    for document in reviews.values():
        others = selective(document)
        assert others["average_kmh"] <= section["average_kmh"]
        assert others["average_kmh"] < others["max_kmh"] < 170.0


def test_every_waypoint_of_the_section_is_validated(reviews: dict[int, dict[str, Any]]) -> None:
    for document in reviews.values():
        section = document["sections"].index(selective(document))
        marks = [point for point in document["waypoints"] if point["section"] == section]
        assert len(marks) > 30
        assert [point["name"] for point in marks if not point["validated"]] == []
        [pause] = document["neutralisations"]
        assert (pause["allowed_s"], pause["early_s"]) == (900.0, 0.0)


def test_only_price_is_over_a_limit_and_once(reviews: dict[int, dict[str, Any]]) -> None:
    assert [reviews[car]["overspeeds"] for car in (BACIUSKA, PETERHANSEL)] == [[], []]
    [over] = reviews[PRICE]["overspeeds"]
    assert over["limit_kmh"] == 50.0
    assert 43.0 < over["km"] < 46.0, "after the first checkpoint"
    assert over["max_kmh"] == pytest.approx(66.0, abs=1.0)
    assert over["penalty_s"] == reviews[PRICE]["penalty_s"] > 0


def test_compare_has_the_gaps(three_cars: list[Path]) -> None:
    document = json.loads(run(three_cars, "compare", *three_cars, "--json").out)
    assert [car["car"]["number"] for car in document["cars"]] == [BACIUSKA, PETERHANSEL, PRICE]
    behind = {split["name"]: split["behind_s"] for split in document["splits"]}
    assert behind["CP1"][:2] == [11, 0], "Peterhansel leads by 11 s"
    assert behind["CP2"][0] == 0, "the lead has changed"
    assert behind["CP3"] == [0, 58, 65], "about a minute clear"
    assert behind["ASS"] == [0, 49, 57]
    lines = cells(run(three_cars, "compare", *three_cars).out)
    table = {line[0]: line[1:] for line in reversed(lines)}  # the first table has the result
    assert table["501 Baciuska"][:2] == ["3:27:36", "100.0"]
    assert table["502 Peterhansel"][:2] == ["3:28:25", "+49 s"]


def test_the_standings_match_the_article(three_cars: list[Path]) -> None:
    decided = (
        "--results",
        DEMO / "dakar_2026_results.toml",
        "--penalties",
        DEMO / "dakar_2026_penalties.toml",
    )
    document = json.loads(run(three_cars, "standings", *three_cars, *decided, "--json").out)
    stage, overall = document["tables"]
    assert (stage["class"], overall["class"]) == ("Stock", "Stock")
    by_place = [(row["place"], row["car"], row["gap_s"]) for row in stage["entries"]]
    assert by_place[:3] == [(1, BACIUSKA, 0), (2, PETERHANSEL, 49), (3, PRICE, 57 + 30 * 60)]
    assert [row["penalty_s"] for row in stage["entries"]] == [0, 0, 30 * 60, 0]
    assert [row["car"] for row in overall["entries"]] == [BACIUSKA, PRICE, BASSO, PETERHANSEL]
    assert overall["entries"][1]["gap_s"] == 4 * HOUR_S
    assert overall["entries"][3]["penalty_s"] == 24 * HOUR_S
    printed = cells(run(three_cars, "standings", *three_cars, *decided).out)
    fourth = next(line for line in printed if line[:2] == ["4", str(PETERHANSEL)])
    assert "24:00:00 stage 8 not finished: alternator belt" in fourth
