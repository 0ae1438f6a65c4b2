"""Comparison of cars and days: which runs, the clock over the road, gaps, where they grew, and one-line errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.errors import ConfigurationError
from logger.comparison.compare import Comparison, compare
from logger.demo import planning
from logger.judgement.report import Report
from logger.review import compare_tables
from logger.stage.itinerary import load
from tests.logger import drives, engine_drive
from tests.logger.command_line import stagelog
from tests.logger.comparison import compared
from tests.logger.comparison.compared import SLOW, STOP_KM, STOP_S, car, later, review_of
from tests.logger.json_documents import checked


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with logs of the short stage, by the name of what they are."""
    return compared.write_logs(tmp_path_factory.mktemp("compare"))


@pytest.fixture(scope="module")
def of(logs: Path) -> Callable[..., Comparison]:
    """Compares logs by their names."""
    kept: dict[str, Report] = {}

    def run(*names: str, section: int | None = None, sector_km: float | None = None) -> Comparison:
        for name in names:
            kept.setdefault(name, review_of(logs / f"{name}.db"))
        return compare([kept[name] for name in names], section, sector_km)

    return run


def test_the_gap_reaches_from_the_start_to_the_finish(of: Callable[..., Comparison]) -> None:
    both = of("slow", "fast")
    assert [each.label for each in both.cars] == ["81 81", "82 82"]
    assert (both.km[0], both.km[-1]) == (0, 14)
    assert both.gap_s[1][0] == 0
    assert both.gap_s[1][-1] == pytest.approx(60, abs=0.3)
    assert np.isfinite(both.gap_s[1]).all()
    assert both.splits[-1].behind_s == (0, 60)


def test_the_rate_of_the_fixes_does_not_matter(of: Callable[..., Comparison]) -> None:
    both = of("fast", "often")
    assert abs(both.gap_s[0] - both.gap_s[1]).max() < 0.25
    assert both.growths == ((), ())


def test_the_times_at_checkpoints_are_those_of_the_splits(of: Callable[..., Comparison]) -> None:
    both = of("fast", "slow", "often", "stopped")
    for row in both.splits:
        for each, elapsed_s in zip(both.cars, row.elapsed_s, strict=True):
            assert elapsed_s is not None
            assert float(each.clock.at(np.array([row.km]))[0]) == pytest.approx(elapsed_s, abs=0.001)


@pytest.mark.parametrize("sector_km", [None, 1.0, 3.0, 10.0, 1000.0])
def test_the_sectors_of_a_car_add_up(of: Callable[..., Comparison], sector_km: float | None) -> None:
    both = of("fast", "slow", "often", sector_km=sector_km)
    ends = [0.0, *(sector.to_km for sector in both.sectors)]
    assert ends[-1] == 14
    assert [sector.from_km for sector in both.sectors] == ends[:-1]
    if sector_km is None:
        assert [sector.name for sector in both.sectors] == ["start - CP1", "CP1 - ASS"]
    else:
        assert all(to_km - from_km <= sector_km + 1e-9 for from_km, to_km in pairwise(ends))
        assert len(both.sectors) == -(-14 // min(sector_km, 14))
    for number, each in enumerate(both.cars):
        total_s = sum(sector.elapsed_s[number] or 0 for sector in both.sectors)
        assert total_s == pytest.approx(each.section.elapsed_s, abs=0.051)


def test_a_stop_is_where_the_gap_grew_most(of: Callable[..., Comparison]) -> None:
    both = of("fast", "stopped")
    ((), (growth,)) = both.growths
    assert growth.grown_s == pytest.approx(STOP_S, abs=0.6)
    assert growth.from_km - 0.15 <= STOP_KM <= growth.to_km + 0.15
    assert growth.to_km - growth.from_km < 0.35


def test_a_car_that_did_not_finish_does_not_shorten_the_others(of: Callable[..., Comparison]) -> None:
    both = of("broken", "slow", "fast")
    assert [each.label for each in both.cars] == ["81 81", "82 82", "85 85"]
    assert both.km[-1] == 14
    known = np.isfinite(both.gap_s[2])
    assert both.km[known].max() == pytest.approx(STOP_KM, abs=0.15)
    assert both.sectors[-1].elapsed_s[2] is None
    assert both.splits[-1].elapsed_s[2] is None
    result = next(compare_tables.tables(both)).rows
    assert result[2][2] == "-"
    assert re.fullmatch(r"not finished, km (6\.9|7\.0) after 0:0\d:\d\d", result[2][-1])


def test_two_days_of_one_car_have_their_dates(of: Callable[..., Comparison]) -> None:
    both = of("slow", "nextday")
    assert sorted(each.label for each in both.cars) == ["82 82 2026-01-15", "82 82 2026-01-16"]
    assert abs(both.gap_s[1]).max() < 0.01


def test_terminal_json_and_page_say_the_same(logs: Path, tmp_path: Path) -> None:
    names = [logs / f"{name}.db" for name in ("fast", "slow", "stopped")]
    page = tmp_path / "page.html"
    text = stagelog("compare", *names, "--html", page, folder=tmp_path)
    assert text.code == 0, text.err
    document = checked("compare", stagelog("compare", *names, "--json", folder=tmp_path).out)
    assert [each["label"] for each in document["cars"]] == ["81 81", "82 82", "84 84"]
    sectors = document["sectors"]
    assert len(sectors) == 2
    cells = set(re.findall(r"\d:\d\d:\d\d\.\d(?: / \+[\d:.]+(?: s)?)?", text.out))
    markup = page.read_text(encoding="utf-8")
    for sector in sectors:
        for elapsed_s, behind_s in zip(sector["elapsed_s"], sector["behind_s"], strict=True):
            minutes, seconds = divmod(elapsed_s, 60)
            shown = f"0:{minutes:02.0f}:{seconds:04.1f}" + (f" / +{behind_s:.1f} s" if behind_s else "")
            assert shown in cells
            assert f">{shown}<" in markup
    for growths in document["growths"]:
        for growth in growths:
            assert f">+{growth['grown_s']:.1f} s<" in markup


def test_one_to_nine_logs(logs: Path, tmp_path: Path) -> None:
    (nine, eight) = ([logs / f"{number}.db" for number in range(count)] for count in (9, 8))
    fixes = drives.fixes(drives.plan(600, over=False), hz=1)
    for number, path in enumerate(nine):
        drives.write_log(path, fixes[: len(fixes) - 3 * number], car(number))
    ended = stagelog("compare", *eight, "--json", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert len(json.loads(ended.out)["cars"]) == 8
    for names, code, what in (
        (nine, 2, "up to 8 logs, not 9"),
        (nine[:1], 64, "no timed section that was driven twice"),
    ):
        ended = stagelog("compare", *names, folder=tmp_path)
        assert (ended.code, ended.out) == (code, "")
        assert what in ended.complaint


@pytest.mark.parametrize("km", ["0.001", "nan", "-1", "0"])
def test_sectors_that_make_no_sense_are_one_line(logs: Path, km: str) -> None:
    ended = stagelog("compare", "fast.db", "slow.db", "--sectors", km, folder=logs)
    assert (ended.code in (2, 64), ended.out) == (True, "")
    assert "--sectors" in ended.complaint


def other_way(text: str, length_km: float = 14.0) -> str:
    """The itinerary of the short stage in the other direction."""
    stage, _, rest = text.partition("[[section]]")
    section, _, home = rest.partition("[[section]]")
    head, *points = section.split("[[section.waypoint]]")
    kinds = {"dss": "ass", "ass": "dss", "dz": "fz", "fz": "dz", "dn": "fn", "fn": "dn"}
    turned = [
        re.sub(r"km = ([\d.]+)", lambda found: f"km = {length_km - float(found[1]):g}", point)
        for point in reversed(points)
    ]
    turned = [
        re.sub(r'kind = "(\w+)"', lambda found: f'kind = "{kinds.get(found[1], found[1])}"', point)
        for point in turned
    ]
    turned = [re.sub(r"(time_s|speed_kmh) = .*\n", "", point) for point in turned]
    turned = [re.sub(r'(kind = "dz")', r"\1\n  speed_kmh = 50", point) for point in turned]
    turned = [re.sub(r'(kind = "dn")', r"\1\n  time_s = 90", point) for point in turned]
    return stage + "[[section]]" + "[[section.waypoint]]".join([head, *turned]) + "[[section]]" + home


def write_other(path: Path, itinerary: str) -> Path:
    planned = planning.plan(load(itinerary, "other"), planning.Orders(elapsed_s={"ASS": 600}))
    return drives.write_log(path, drives.fixes(planned, 1), car(90), itinerary)


def test_a_reversed_route_is_one_line(logs: Path, tmp_path: Path) -> None:
    """The checkpoint is in the middle, so that only the positions differ."""
    middle = drives.ITINERARY.replace("km = 8.0", "km = 7.0").replace("lat = 21.6864\n  lon = 40.7360", "")
    first = review_of(write_other(tmp_path / "first.db", middle))
    turned = review_of(write_other(tmp_path / "turned.db", other_way(middle)))
    assert turned.sections[0].finished
    with pytest.raises(ConfigurationError, match=r"drives the section in the other direction than first\.db"):
        compare([first, turned])


@pytest.mark.parametrize(
    ("was", "becomes", "what"),
    [
        ("length_km = 14.0", "length_km = 14.5", "its section 1 differs from that in fast.db"),
        ("km = 8.0\n", "km = 7.9\n", "its section 1 differs from that in fast.db"),
        ("= 21.", "= 23.", "drives the section elsewhere, 215 km from fast.db"),
    ],
)
def test_another_itinerary_is_one_line(logs: Path, tmp_path: Path, was: str, becomes: str, what: str) -> None:
    assert was in drives.ITINERARY
    other = write_other(tmp_path / "other.db", drives.ITINERARY.replace(was, becomes))
    ended = stagelog("compare", logs / "fast.db", other, folder=tmp_path)
    assert (ended.code, ended.out) == (64, "")
    assert what in ended.complaint


def test_a_car_without_a_distance_is_one_line(logs: Path, tmp_path: Path) -> None:
    blind = [fix._replace(lat=None, lon=None, speed_mps=None) for fix in drives.fixes(SLOW, hz=1)]
    log = drives.write_log(tmp_path / "blind.db", blind, car(93), commands=[(2_000_000, "start_section")])
    for names in ((logs / "fast.db", log), (log, logs / "fast.db")):
        ended = stagelog("compare", *names, folder=tmp_path)
        assert (ended.code, ended.out) == (64, "")
        assert "blind.db: no distance in the section" in ended.complaint


def test_a_section_may_have_another_number(logs: Path, tmp_path: Path) -> None:
    stage, _, sections = drives.ITINERARY.partition("[[section]]")
    moved = f'{stage}[[section]]\nkind = "liaison"\nname = "Out"\nlength_km = 1.0\n[[section]]{sections}'
    log = drives.write_log(tmp_path / "moved.db", drives.fixes(SLOW, hz=1), car(91), moved)
    both = compare([review_of(logs / "fast.db"), review_of(log)])
    assert [each.section.section for each in both.cars] == [0, 1]
    assert both.splits[-1].behind_s[1] in (59, 60)


def test_the_runs_of_one_log_are_compared(logs: Path, tmp_path: Path) -> None:
    """The car drives the section, returns, and drives it again."""
    again = drives.fixes(SLOW, hz=1)
    first = drives.fixes(drives.plan(600, over=False), hz=1)
    twice = drives.ITINERARY.replace('kind = "liaison"', 'kind = "liaison"', 1)
    stage, _, sections = twice.partition("[[section]]")
    timed = sections.partition("[[section]]")[0]
    text = f"{stage}[[section]]{timed}[[section]]{timed}"
    log = drives.write_log(tmp_path / "runs.db", [*first, *later(again, 3000)], car(92), text)
    ended = stagelog("compare", log, "--json", folder=tmp_path)
    assert ended.code == 0, ended.err
    document = checked("compare", ended.out)
    assert document["splits"][-1]["behind_s"] == [0, 60]
    assert len({each["label"] for each in document["cars"]}) == 2


def test_signals_are_lines_of_the_page(tmp_path: Path) -> None:
    for name, seconds in (("one", 600), ("two", 620)):
        engine_drive.write_log(tmp_path / f"{name}.db", seconds)
    logs = (tmp_path / "one.db", tmp_path / "two.db")
    ended = stagelog("compare", *logs, "--signals", folder=tmp_path)
    assert (ended.code, "--html" in ended.complaint) == (2, True)
    found = {}
    for options in ((), ("--signals",)):
        ended = stagelog("compare", *logs, *options, "--html", "page.html", folder=tmp_path)
        assert ended.code == 0, ended.err
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        data = json.loads(text.partition('id="drawing">')[2].partition("</script>")[0])
        found[options] = [(channel["group"], channel["car"]) for channel in data["channels"]]
    recorded = [("gap", 1), ("gap", 2), ("speed", 1), ("speed", 2)]
    recorded += [(f"engine.{name}", car) for name in ("rpm", "coolant_c") for car in (1, 2)]
    assert found[()] == recorded
    signals = {(f"engine.{name}", car) for name in ("boost_bar", "fuel_l") for car in (1, 2)}
    assert set(found["--signals",]) == {*recorded, *signals}
