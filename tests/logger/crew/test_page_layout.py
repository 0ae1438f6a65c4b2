"""The layout of the crew page: whole, uncovered and large enough on every screen, whatever is up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.logger.crew.browsing import SCREENS, SIZES, fresh, opened, texts, until
from tests.logger.crew.live_car import HEALTHY, LiveCar
from tests.logger.crew.page_reading import CUT, CUT_LISTS, seen
from tests.logger.crew.serving import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.load_sensitive

PLACES = """() => [...document.querySelectorAll('header > *, main > section, nav, .trip, main section p, .sign')]
  .filter(box => box.offsetParent).map(box => {
    const {left, top, width, height} = box.getBoundingClientRect();
    return [left, top, width, height].map(Math.round);
  })"""
ALARMING = {"battery_v": 12.1, "coolant_c": 118.0, "oil_bar": 0.2}
WAITING = """async count =>
  (await import('/link.js')).state.alarms.filter(alarm => !alarm.acknowledged).length === count"""
EVERYWHERE = ("#clock", "#chips span", "header button")
DRIVEN_BY = {
    "driver": ("#driver .speed b", "#driver .sign b", "#driver .figures b"),
    "navigator": (
        "#navigator .now b",
        ".section .big b",
        ".section .average b",
        ".trip p b",
        ".trip button",
        "nav button",
    ),
}
"""Speed, limit, average and distance in the section, and in the navigator's view both trips and the keys."""
AN_ALARM = ("#alarm-name", "#alarm-value", "#alarm-message", "#acknowledge")
DIALOGS = {"": None, "c": "section", "o": "settings", "l": "legend", "h": "more"}


@pytest.mark.parametrize("view", ["driver", "navigator"])
@pytest.mark.parametrize("size", SCREENS)
def test_everything_fits_and_is_large_enough_for_gloves(
    browser: Browser, served: Served, car: LiveCar, size: tuple[int, int], view: str
) -> None:
    with opened(browser, f"{served.url}/#{view}", size) as page:
        fresh(page)
        small = page.evaluate(
            "[...document.querySelectorAll('button')].filter(button => button.offsetParent)"
            ".filter(button => button.offsetWidth < 64 || button.offsetHeight < 64).map(button => button.outerHTML)"
        )
        assert small == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        cut = page.evaluate(CUT)
        assert cut == []


@pytest.mark.parametrize("view", ["driver", "navigator"])
@pytest.mark.parametrize("size", SIZES)
def test_a_device_with_a_wider_font_shows_as_much(
    browser: Browser, served: Served, car: LiveCar, size: tuple[int, int], view: str
) -> None:
    """DejaVu Sans is what a fresh Debian has; its figures are a quarter wider than Arial's."""
    car.faster_kmh = 60.0
    with opened(browser, f"{served.url}/#{view}", size, font="DejaVu Sans") as page:
        fresh(page)
        until(page, f"document.querySelector('#{view} [data-value=speed_kmh]').innerText.length === 3")
        assert page.evaluate(CUT) == []
        assert page.evaluate(CUT_LISTS) == []


def places(page: Page) -> Any:
    """Where everything of the page stands that has a place of its own."""
    return page.evaluate(PLACES)


@pytest.mark.parametrize("view", ["driver", "navigator"])
def test_nothing_jumps_whatever_is_shown(
    browser: Browser, served: Served, car: LiveCar, view: str, tmp_path: Path
) -> None:
    with opened(browser, f"{served.url}/#{view}", SIZES[1]) as page:
        fresh(page)
        before = places(page)
        car.faster_kmh = 150
        page.wait_for_selector("[data-pace=over]:visible")
        assert len(texts(page, view)["speed_kmh"]) == 3
        assert places(page) == before
        page.screenshot(path=tmp_path / "over.png")
        car.hang()
        until(page, "document.body.dataset.link === 'gone'")
        assert places(page) == before


def alarmed(page: Page, car: LiveCar, count: int) -> None:
    """Wait until so many alarms are up, and none that somebody acknowledged before."""
    car.engine = dict(HEALTHY)
    until(page, "async () => (await import('/link.js')).state.alarms.length === 0")
    car.engine |= dict(list(ALARMING.items())[:count])
    until(page, WAITING, count)


@pytest.mark.matrix(4)
@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("size", SCREENS)
def test_nothing_important_is_ever_covered_or_cut(
    browser: Browser, served: Served, car: LiveCar, size: tuple[int, int], count: int, tmp_path: Path
) -> None:
    with opened(browser, f"{served.url}/#driver", size) as page:
        fresh(page)
        alarmed(page, car, count)
        for view, named in DRIVEN_BY.items():
            page.evaluate("view => location.hash = view", view)
            for key, dialog in DIALOGS.items():
                wanted = [*EVERYWHERE, *named, *(AN_ALARM if count else ())]
                if view == "navigator":
                    wanted.append(".section .coming b" if dialog else "#next li:first-child span")
                if key:
                    page.keyboard.press(key)
                    wanted.append(f"#{dialog}-dialog [data-do=close]")
                until(page, "names => names.every(name => document.querySelector(name))", wanted)
                seen(page, wanted)
                page.screenshot(path=tmp_path / f"{view}-{count}-{dialog}.png")
                page.keyboard.press("Escape")


@pytest.mark.matrix(4)
@pytest.mark.parametrize("size", SCREENS)
def test_every_key_of_a_dialog_can_be_reached(
    browser: Browser, served: Served, car: LiveCar, size: tuple[int, int]
) -> None:
    """Where a dialog has less room than it needs, its body scrolls, and its Close stays."""
    with opened(browser, f"{served.url}/#navigator", size) as page:
        fresh(page)
        alarmed(page, car, 1)
        for key in filter(None, DIALOGS):
            page.keyboard.press(key)
            keys = page.locator("dialog[open] :is(button, a, input, dd):visible")
            for index in range(keys.count()):
                keys.nth(index).scroll_into_view_if_needed()
                keys.nth(index).click(trial=True)
            page.keyboard.press("Escape")


def test_a_large_screen_has_the_last_two_kilometres_and_more_waypoints(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    with opened(browser, f"{served.url}/#navigator", (1280, 800)) as page:
        fresh(page)
        seen(page, ["#strip", "#engine b", "#splits li span"])
        assert page.locator("#next li").count() >= 7
        drawn = page.get_attribute("#strip-speed", "d") or ""
        assert drawn.count("M") == 101, "a column for each 20 m of two kilometres"
        size = "selector => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize)"
        large = {
            name: page.evaluate(size, name) for name in (".now b", ".section b", ".trip p b", "#next li")
        }
        page.set_viewport_size({"width": 1024, "height": 600})
        assert all(page.evaluate(size, name) < pixels for name, pixels in large.items())
        page.set_viewport_size({"width": 1920, "height": 1080})
        assert all(page.evaluate(size, name) > pixels for name, pixels in large.items())
        assert page.evaluate(CUT) == []


def test_a_portrait_phone_has_the_next_waypoint_before_the_trips(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    top = "selector => document.querySelector(selector).getBoundingClientRect().top"
    with opened(browser, f"{served.url}/#navigator", (390, 844)) as page:
        fresh(page)
        assert page.evaluate(top, "#next") < page.evaluate(top, "#trips")
        rows = page.eval_on_selector_all(
            ".trip", "trips => trips.map(trip => new Set([...trip.querySelectorAll('button, p')]"
            ".filter(part => part.offsetParent).map(part => Math.round(part.getBoundingClientRect().top))).size)",
        )  # fmt: skip
        assert rows == [1, 1]
        del car.commands[:]
        page.click(".trip[data-trip='2'] [data-do=unfold]")
        assert page.get_attribute(".trip[data-trip='2'] [data-do=unfold]", "aria-expanded") == "true"
        page.click(".trip[data-trip='2'] button:text-is('+100')")
        until(page, "document.getElementById('message').innerText.includes('done')")
        assert car.commands == [{"command": "adjust_distance", "trip": 2, "metres": 100}]
