"""Comparison of cars and days: which runs, the clock over the road, gaps, where they grew, and one-line errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import Fix
from logger.config import configuration as configs
from logger.demo import planning
from logger.review import compare_tables
from logger.review.compare import Comparison, compare
from logger.review.open_evidence import ReviewOptions, open_evidence
from logger.review.report import Report, report_of
from logger.stage.itinerary import load
from tests.logger.command_line import stagelog
from tests.logger.json_documents import checked
from tests.logger.review import drives

S_US = 1_000_000
STOP_KM, STOP_S = 7.0, 60
DAY_S = 86_400
SLOW = drives.plan(660, over=False)
"""Of the section's 14 km in 660 s."""


def car(number: int) -> configs.Car:
    return configs.Car(number, "", "Stock", (f"Driver {number}",))


def later(fixes: Sequence[Fix], seconds: float, utc_s: float | None = None) -> list[Fix]:
    """Fixes that arrive later, by default by as much in UTC."""
    more_us, more_utc_us = round(seconds * S_US), round((seconds if utc_s is None else utc_s) * S_US)
    return [fix._replace(t_us=fix.t_us + more_us, utc_us=(fix.utc_us or 0) + more_utc_us) for fix in fixes]


def stopped(fixes: list[Fix], at: int, seconds: int) -> list[Fix]:
    """A drive that stands for some seconds at a fix."""
    still = [later([fixes[at]._replace(speed_mps=0.0)], second)[0] for second in range(seconds)]
    return [*fixes[:at], *still, *later(fixes[at:], seconds)]


def review_of(path: Path) -> Report:
    with open_evidence(path, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


Maker = Callable[..., Report]


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with logs of the short stage, by the name of what they are."""
    folder = tmp_path_factory.mktemp("compare")
    fast = drives.fixes(drives.plan(600, over=False), hz=1)
    slow = drives.fixes(SLOW, hz=1)
    drives.write_log(folder / "fast.db", fast, car(81))
    drives.write_log(folder / "slow.db", slow, car(82))
    drives.write_log(folder / "often.db", drives.fixes(drives.plan(600, over=False), hz=10), car(83))
    report = review_of(folder / "fast.db")
    places = report.places
    at = int(np.flatnonzero((places.run == 0) & (places.metres >= 1000 * STOP_KM))[0])
    drives.write_log(folder / "stopped.db", stopped(fast, at, STOP_S), car(84))
    drives.write_log(folder / "broken.db", fast[:at], car(85))
    drives.write_log(folder / "nextday.db", later(slow, 0, DAY_S), car(82))
    return folder


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
    compared = of("slow", "fast")
    assert [each.label for each in compared.cars] == ["81 81", "82 82"]
    assert (compared.km[0], compared.km[-1]) == (0, 14)
    assert compared.gap_s[1][0] == 0
    assert compared.gap_s[1][-1] == pytest.approx(60, abs=0.3)
    assert np.isfinite(compared.gap_s[1]).all()
    assert compared.splits[-1].behind_s == (0, 60)


def test_the_rate_of_the_fixes_does_not_matter(of: Callable[..., Comparison]) -> None:
    compared = of("fast", "often")
    assert abs(compared.gap_s[0] - compared.gap_s[1]).max() < 0.25
    assert compared.growths == ((), ())


def test_the_times_at_checkpoints_are_those_of_the_splits(of: Callable[..., Comparison]) -> None:
    compared = of("fast", "slow", "often", "stopped")
    for row in compared.splits:
        for each, elapsed_s in zip(compared.cars, row.elapsed_s, strict=True):
            assert elapsed_s is not None
            assert float(each.clock.at(np.array([row.km]))[0]) == pytest.approx(elapsed_s, abs=0.001)


@pytest.mark.parametrize("sector_km", [None, 1.0, 3.0, 10.0, 1000.0])
def test_the_sectors_of_a_car_add_up(of: Callable[..., Comparison], sector_km: float | None) -> None:
    compared = of("fast", "slow", "often", sector_km=sector_km)
    ends = [0.0, *(sector.to_km for sector in compared.sectors)]
    assert ends[-1] == 14
    assert [sector.from_km for sector in compared.sectors] == ends[:-1]
    if sector_km is None:
        assert [sector.name for sector in compared.sectors] == ["start - CP1", "CP1 - ASS"]
    else:
        assert all(to_km - from_km <= sector_km + 1e-9 for from_km, to_km in pairwise(ends))
        assert len(compared.sectors) == -(-14 // min(sector_km, 14))
    for number, each in enumerate(compared.cars):
        total_s = sum(sector.elapsed_s[number] or 0 for sector in compared.sectors)
        assert total_s == pytest.approx(each.section.elapsed_s, abs=0.051)


def test_a_stop_is_where_the_gap_grew_most(of: Callable[..., Comparison]) -> None:
    compared = of("fast", "stopped")
    ((), (growth,)) = compared.growths
    assert growth.grown_s == pytest.approx(STOP_S, abs=0.6)
    assert growth.from_km - 0.15 <= STOP_KM <= growth.to_km + 0.15
    assert growth.to_km - growth.from_km < 0.35


def test_a_car_that_did_not_finish_does_not_shorten_the_others(of: Callable[..., Comparison]) -> None:
    compared = of("broken", "slow", "fast")
    assert [each.label for each in compared.cars] == ["81 81", "82 82", "85 85"]
    assert compared.km[-1] == 14
    known = np.isfinite(compared.gap_s[2])
    assert compared.km[known].max() == pytest.approx(STOP_KM, abs=0.15)
    assert compared.sectors[-1].elapsed_s[2] is None
    assert compared.splits[-1].elapsed_s[2] is None
    result = next(compare_tables.tables(compared)).rows
    assert result[2][2] == "-"
    assert result[2][-1].startswith("not finished, km 7.0")


def test_two_days_of_one_car_have_their_dates(of: Callable[..., Comparison]) -> None:
    compared = of("slow", "nextday")
    assert sorted(each.label for each in compared.cars) == ["82 82 2026-01-15", "82 82 2026-01-16"]
    assert abs(compared.gap_s[1]).max() < 0.01


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


def test_a_section_may_have_another_number(logs: Path, tmp_path: Path) -> None:
    stage, _, sections = drives.ITINERARY.partition("[[section]]")
    moved = f'{stage}[[section]]\nkind = "liaison"\nname = "Out"\nlength_km = 1.0\n[[section]]{sections}'
    log = drives.write_log(tmp_path / "moved.db", drives.fixes(SLOW, hz=1), car(91), moved)
    compared = compare([review_of(logs / "fast.db"), review_of(log)])
    assert [each.section.section for each in compared.cars] == [0, 1]
    assert compared.splits[-1].behind_s[1] in (59, 60)


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
