"""The season's index of many cars and stages: bounded tables, scales that a wrong value does not spoil, a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logger.comparison.results import Result
from logger.fleet import season_figures
from logger.fleet.belt import BeltTime
from logger.fleet.catalogue import Entry
from logger.fleet.log_figures import LogFigures
from logger.fleet.review import Run, Verdict
from logger.fleet.season_page import Season, page, page_name
from logger.fleet.trend_curve import HEIGHT, MARGIN, curve
from tests.logger.crew import browsing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SIZES = [(1280, 800), (390, 844)]
CARS, STAGES = range(501, 513), range(1, 17)


def verdict(car: int, stage: int, coolant_c: float = 95.0, event: str = "rally") -> Verdict:
    """A reviewed log."""
    sha = f"{stage:032x}{car:032x}"
    names = ("", "Rally", "Stage <b>&", "2026-01-01", "", "Stock", f"Driver {car}")
    entry = Entry(sha, "x.db", "0" * 16, 1, 1, *names, None, None, 1.0, event, stage, car)
    result = Result(car, stage, "3:27:36", f"Driver {car}", "Stock")
    return Verdict(entry, result, None, 60.0, figures=LogFigures(300.0 + stage, coolant_c, 3600.0))


def index(verdicts: list[Verdict], linked: frozenset[str] = frozenset()) -> str:
    belt = {each.entry.log: BeltTime(3600.0 * each.entry.stage, complete=True) for each in verdicts}
    return page(Season(Run("store", "recorded"), verdicts, {}, belt), linked)


def test_a_table_has_a_bounded_number_of_columns() -> None:
    far_apart = [verdict(number, number) for number in range(1, 301)]
    blocks = season_figures.blocks_of(far_apart)
    assert [len(block.stages) for block in blocks] == [season_figures.MAX_STAGES] * 15
    assert all(len(block.cars) == len(block.stages) for block in blocks)
    assert len(index(far_apart)) < 2_000_000, "in proportion to the logs"


@pytest.mark.parametrize("wrong_c", [1e308, 3276.7, -1e308])
def test_a_wrong_value_does_not_spoil_the_curves_of_the_others(wrong_c: float) -> None:
    honest = [verdict(501, stage, 90.0 + stage) for stage in STAGES]
    text = index([*honest, verdict(502, 1, wrong_c)])
    assert not re.search(r"nan|inf\b", text)
    table = text.partition("Highest coolant")[2].partition("</table>")[0]
    ours, other = ([float(y) for y in re.findall(r'cy="([\d.]+)"', row)] for row in table.split("</tr>")[1:3])
    assert len(ours) == len(STAGES)
    assert max(ours) - min(ours) > 2, "the curve is no flat line"
    assert other[0] in (MARGIN, HEIGHT - MARGIN)
    assert f"{wrong_c:.4g}" in text


def test_a_curve_has_gaps() -> None:
    drawn = curve([1.0, 2.0, None, 2.0], 1.0, 2.0)
    assert drawn.count("M") == 2
    assert drawn.count("<circle") == 3
    assert curve([None, None], 0.0, 1.0).count("<circle") == 0
    assert curve([5.0], 5.0, 5.0).count("<circle") == 1


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@pytest.mark.parametrize("size", SIZES)
def test_it_is_read_on_a_desk_and_on_a_phone(
    chromium: Browser, tmp_path: Path, size: tuple[int, int]
) -> None:
    verdicts = [verdict(car, stage, 90.0 + stage) for stage in STAGES for car in CARS]
    linked = verdicts[5].entry
    (tmp_path / page_name(linked)).write_text("<title>the review</title>")
    path = tmp_path / "index.html"
    path.write_text(index(verdicts, frozenset([linked.log])), encoding="utf-8")
    with browsing.opened(chromium, path.as_uri(), size) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "only tables scroll"
        table = tab.locator(".scroll").first
        assert table.evaluate("element => element.scrollWidth > element.clientWidth")
        table.focus()
        tab.keyboard.press("End")
        table.evaluate("element => { element.scrollLeft = element.scrollWidth; }")
        car = table.locator("tbody th").first
        left, edge = (
            each.evaluate("element => element.getBoundingClientRect().left") for each in (car, table)
        )
        assert left >= edge, "the car stays in view"
        assert tab.locator("svg.curve").count() == 4 * len(CARS)
        tab.locator("a").first.click()
        browsing.until(tab, "document.title === 'the review'")
