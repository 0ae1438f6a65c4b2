"""The page of a comparison in a real browser: marks to click, lines to tell apart, tables on a phone."""

from __future__ import annotations

import itertools
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from logger.comparison.compare import MAX_CARS, compare
from logger.review import compare_page
from tests.logger import drives
from tests.logger.command_line import ROOT
from tests.logger.comparison import compared
from tests.logger.comparison.compared import STOP_KM
from tests.logger.crew import browsing
from tests.logger.review.engine_page import pictured, view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP, PHONE = (1280, 800), (390, 844)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of two pages: of three cars, one of which stood, and of eight."""
    folder = compared.write_logs(tmp_path_factory.mktemp("pages"))
    with closing(sqlite3.connect(folder / "broken.db")) as connection, connection:
        connection.executescript("DELETE FROM reading; DELETE FROM channel")
    names = ("fast", "stopped", "broken")
    three = compare([compared.review_of(folder / f"{name}.db") for name in names])
    eight = []
    for number in range(MAX_CARS):
        path = folder / f"{number}.db"
        fixes = drives.fixes(drives.plan(600 + 9 * number, over=False), hz=1)
        eight.append(compared.review_of(drives.write_log(path, fixes, compared.car(101 + number))))
    addresses = {}
    for name, comparison in (("three", three), ("eight", compare(eight))):
        page = folder / f"{name}.html"
        page.write_text(compare_page.page(comparison), encoding="utf-8")
        addresses[name] = page.as_uri()
    return addresses


def mark_at(page: Page, km: float) -> tuple[float, float]:
    """Where the lowest mark of the gap's lane is: its triangle begins 5 pixels above the lane's end."""
    box = page.locator("#lanes").bounding_box()
    assert box is not None
    left, right, top, foot, share = 52, 12, 20, 24, 3 / 5
    first, last = view(page)
    x = left + (km - first) / (last - first) * (box["width"] - left - right)
    return box["x"] + x, box["y"] + top + (box["height"] - foot - 2 * top) * share - 10


@pytest.mark.parametrize("size", [DESKTOP, PHONE, (320, 640), (600, 800), (800, 1000), (960, 600)])
def test_the_lanes_stay_where_they_are_when_the_pointer_comes(
    chromium: Browser, pages: dict[str, str], driven_url: str, size: tuple[int, int]
) -> None:
    for url in (pages["three"], driven_url):
        with browsing.opened(chromium, url, size) as page:
            pictured(page)  # the hint is there
            before = page.locator("#lanes").bounding_box()
            hint = page.locator("#readout").inner_text()
            assert before is not None
            page.mouse.move(before["x"] + before["width"] / 2, before["y"] + 100)
            browsing.until(page, f"document.getElementById('readout').innerText !== {hint!r}")
            assert page.locator("#lanes").bounding_box() == before, url


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_a_click_on_a_mark_shows_where_the_gap_grew(
    chromium: Browser, pages: dict[str, str], size: tuple[int, int]
) -> None:
    with browsing.opened(chromium, pages["three"], size) as page:
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        assert view(page) == pytest.approx((0, 14), abs=0.01)
        x, y = mark_at(page, STOP_KM)
        page.mouse.click(x, y - 60)  # not on the mark
        pictured(page)
        assert view(page) == pytest.approx((0, 14), abs=0.01)
        page.mouse.click(*mark_at(page, STOP_KM))  # the readout has moved the lanes on a phone
        browsing.until(page, "stagelog.view()[1] - stagelog.view()[0] < 2")
        first, last = view(page)
        assert first < STOP_KM < last
        assert fetched == []


@pytest.mark.parametrize("by", ["click", "Enter"])
def test_a_row_shows_its_stretch(chromium: Browser, pages: dict[str, str], by: str) -> None:
    with browsing.opened(chromium, pages["three"], DESKTOP) as page:
        row = page.locator("section:has(h2:text('grew most')) tr[data-from]").first
        if by == "click":
            row.click()
        else:
            row.focus()
            page.keyboard.press("Enter")
        browsing.until(page, "stagelog.view()[1] - stagelog.view()[0] < 2")
        first, last = view(page)
        assert first < STOP_KM < last
        page.click("section:has(h2:text('Sectors')) tr[data-from] >> nth=1")
        browsing.until(page, "stagelog.view()[1] - stagelog.view()[0] > 5")
        assert view(page)[0] == pytest.approx(4)


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_eight_cars_fit(chromium: Browser, pages: dict[str, str], size: tuple[int, int]) -> None:
    with browsing.opened(chromium, pages["eight"], size) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "only tables scroll"
        table = page.locator("section:has(h2:text('Sectors')) .scroll")
        wide, shown = table.evaluate("element => [element.scrollWidth, element.clientWidth]")
        assert wide > shown if size == PHONE else wide > 0
        table.evaluate("element => { element.scrollLeft = element.scrollWidth; }")
        name = table.locator("tbody tr td").first
        assert name.evaluate("cell => cell.getBoundingClientRect().left") >= table.evaluate(
            "element => element.getBoundingClientRect().left"
        )
        lines = page.locator(".legend i.line")
        assert lines.count() == MAX_CARS
        styles = lines.evaluate_all(
            "all => all.map(each => getComputedStyle(each).borderTopColor + getComputedStyle(each).borderTopStyle)"
        )
        assert len(set(styles)) == MAX_CARS
        assert sum("dashed" in style for style in styles) == MAX_CARS // 2
        box = page.locator("#lanes").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
        browsing.until(page, "document.querySelector('[data-row=\"0 gap.8\"] .cursor').textContent !== ''")


def test_a_channel_has_a_line_for_each_car_that_has_it(chromium: Browser, pages: dict[str, str]) -> None:
    with browsing.opened(chromium, pages["three"], DESKTOP) as page:
        page.click("#bar button:text('Channels')")
        page.keyboard.type("battery")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        browsing.until(page, "document.querySelectorAll('.lane-head').length === 3")
        head = page.locator(".lane-head").nth(2)
        assert "Battery voltage (V)" in head.inner_text()
        assert [chip.split()[0] for chip in head.locator(".chip.car").all_inner_texts()] == ["81", "84"]
        page.keyboard.press("Tab")
        rows = page.locator("#readings tr", has_text="85 85")
        assert rows.count() == 2, "gap and speed: the car has no engine data"


# Machado, Oliveira and Fernandes (2009), severity 1: how colours look without one kind of cone.
SIGHTS = {
    "usual": np.eye(3),
    "protanopia": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "deuteranopia": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "tritanopia": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])
APART, APART_IN_STYLE, CONTRAST = 20.0, 35.0, 3.0
"""CIE 1976 colour differences between any two lines and between two of one style; contrast with the paper (WCAG)."""


def linear(colour: str) -> NDArray[np.float64]:
    part = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(light: NDArray[np.float64]) -> NDArray[np.float64]:
    share = TO_XYZ @ np.clip(light, 0, 1) / WHITE
    root = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_colours_are_told_apart_by_everybody(theme: int) -> None:
    style, lines = (
        (ROOT / f"logger/review/page/{name}.css").read_text(encoding="utf-8") for name in ("style", "cars")
    )
    paper = re.findall(r"--paper: (#\w{6})", style)[theme]
    found = [re.findall(rf"--car{number}: (#\w{{6}})", lines)[theme] for number in range(1, MAX_CARS + 1)]
    for colour in found:
        bright = sorted(float(TO_XYZ[1] @ linear(each)) for each in (colour, paper))
        assert (bright[1] + 0.05) / (bright[0] + 0.05) >= CONTRAST, colour
    for name, sight in SIGHTS.items():
        seen = [lab(sight @ linear(colour)) for colour in found]
        for one, other in itertools.combinations(range(MAX_CARS), 2):
            least = APART_IN_STYLE if one // 4 == other // 4 else APART
            assert np.linalg.norm(seen[one] - seen[other]) >= least, (name, found[one], found[other])
