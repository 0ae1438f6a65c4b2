"""What the crew chooses on the page: language, units, view, theme, sound; each shows what it is, and is kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from logger.stage.itinerary import WAYPOINT_KINDS
from tests.logger.crew.browsing import SCREENS, SIZES, ZONE, ZONE_SHOWN, fresh, opened, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.page_reading import CUT, CUT_LISTS, near, rounded
from tests.logger.crew.serving import Served
from tests.logger.crew.test_texts import texts

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.load_sensitive

KM_PER_MILE = 1.609344


def test_a_language_is_chosen_at_once_and_kept(browser: Browser, served: Served) -> None:
    with opened(browser, f"{served.url}/#navigator", SIZES[1]) as page:
        fresh(page)
        page.click("[data-do=settings]")
        page.click("[data-option=ar]")
        until(page, "document.documentElement.dir === 'rtl'")
        assert page.get_attribute("[data-option=ar]", "aria-pressed") == "true"
        assert page.inner_text("nav [data-command=mark]") == texts("ar")["mark"]
        assert page.locator("#engine small").all_inner_texts()[0] == texts("ar")["engine.battery_v"]
        page.goto(f"{served.url}/?again#navigator")
        fresh(page)
        assert page.inner_text("nav [data-command=mark]") == texts("ar")["mark"]


@pytest.mark.parametrize("size", SCREENS, ids=str)
def test_every_setting_can_be_reached_and_hit(
    browser: Browser, served: Served, size: tuple[int, int]
) -> None:
    with opened(browser, f"{served.url}/#navigator", size) as page:
        fresh(page)
        for key in "ol":
            page.keyboard.press(key)
            keys = page.locator("dialog[open] :is(button, a, dd)")
            for index in range(keys.count()):  # where there is little room, the body of a dialog scrolls
                keys.nth(index).click(trial=True)
            sizes = page.eval_on_selector_all(
                "dialog[open] :is(button, a)", "all => all.map(key => [key.offsetWidth, key.offsetHeight])"
            )
            assert [pair for pair in sizes if min(pair) < 64] == []


def test_a_choice_shows_what_is_and_what_a_touch_does(browser: Browser, served: Served) -> None:
    with opened(browser, f"{served.url}/#navigator", SIZES[1]) as page:
        fresh(page)
        shown = "name => document.querySelector(`header [data-choice=${name}]`).innerText.split('\\n')"
        assert page.evaluate(shown, "view") == ["Navi", "Driver"]
        assert page.evaluate(shown, "theme") == ["Day", "Night"]
        assert page.get_attribute("header [data-choice=view]", "aria-label") == "View: Navi. Touch: Driver"
        page.click("header [data-choice=view]")
        page.click("header [data-choice=theme]")
        assert page.evaluate(shown, "view") == ["Driver", "Navi"]
        assert page.evaluate(shown, "theme") == ["Night", "Day"]
        assert page.evaluate("[document.body.dataset.view, document.body.dataset.theme]") == [
            "driver",
            "night",
        ]


def test_sound_is_kept_and_begins_with_the_first_touch(browser: Browser, served: Served) -> None:
    with opened(browser, f"{served.url}/#driver", SIZES[1]) as page:
        fresh(page)
        page.keyboard.press("s")
        assert page.inner_text("[data-do=settings] small") == "Sound on"
        page.reload()
        fresh(page)
        assert page.inner_text("[data-do=settings] small") == "Sound off", "a browser is silent until a touch"
        page.click("#driver .speed")
        until(page, "document.querySelector('[data-sound]').innerText === 'Sound on'")
        page.reload()
        fresh(page)
        page.keyboard.press("o")
        page.click("#sound")
        until(page, "document.querySelector('[data-sound]').innerText === 'Sound on'")
        page.keyboard.press("s")
        page.reload()
        fresh(page)
        page.click("#driver .speed")
        assert page.inner_text("[data-do=settings] small") == "Sound off"


def test_choices_hold_in_a_browser_that_keeps_nothing(browser: Browser, served: Served) -> None:
    context = browser.new_context(timezone_id=ZONE)
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('denied'); }})"
    )
    page = context.new_page()
    page.goto(f"{served.url}/#driver")
    fresh(page)
    for name in ("theme", "units", "zone"):
        page.evaluate("async name => (await import('/choices.js')).choose(name)", name)
    assert page.evaluate("document.body.dataset.theme") == "night"
    assert page.inner_text("#driver .unit") == "mph"
    assert page.inner_text("#zone") == ZONE_SHOWN
    page.evaluate("async () => (await import('/choices.js')).choose('theme')")
    assert page.evaluate("document.body.dataset.theme") == "day"
    context.close()


def test_a_language_that_cannot_be_loaded_leaves_the_page_as_it_is(browser: Browser, served: Served) -> None:
    with opened(browser, f"{served.url}/#navigator", SIZES[1]) as page:
        fresh(page)
        page.route("**/texts/de.js", lambda route: route.abort())
        page.keyboard.press("o")
        page.click("[data-option=de]")
        page.click("[data-option=fr]")
        until(page, "document.documentElement.lang === 'fr'")
        page.evaluate("localStorage.setItem('language', 'de')")
        page.reload()
        fresh(page)
        assert page.get_attribute("html", "lang") == "en"
        assert page.inner_text("nav [data-command=mark]") == texts("en")["mark"]


def miles(km: float, places: int) -> str:
    return rounded(km / KM_PER_MILE, places)


@pytest.mark.parametrize("size", SCREENS, ids=str)
def test_everything_is_in_miles_for_those_who_want_it(
    browser: Browser, served: Served, car: LiveCar, size: tuple[int, int]
) -> None:
    with opened(browser, f"{served.url}/#navigator", size) as page:
        fresh(page)
        page.keyboard.press("o")
        page.click("#settings-dialog [data-choice=units]")
        page.keyboard.press("Escape")
        read = """() => Object.fromEntries([...document.querySelectorAll('#navigator [data-value]')]
            .map(element => [element.dataset.value, element.innerText]))"""
        for _ in range(3):
            shown, told = page.evaluate(read), list(car.history)
            assert shown["speed_kmh"] in [miles(one["speed_kmh"], 0) for one in told]
            assert shown["section.average_kmh"] in [miles(one["section"]["average_kmh"], 1) for one in told]
            assert shown["section.distance_km"] in [miles(one["section"]["distance_km"], 2) for one in told]
            assert shown["trip.0.distance_km"] in [miles(one["trip"][0]["distance_km"], 2) for one in told]
            assert shown["limit.kmh"] in [str(math.floor(one["limit"]["kmh"] / KM_PER_MILE)) for one in told]
            page.wait_for_timeout(130)
        assert page.inner_text("#bar-to") == "215.0 mi"
        keys = page.locator(".trip[data-trip='2'] button:is([data-metres], [data-reset])")
        labels = [key.get_attribute("aria-label") for key in keys.all()]
        assert labels == [f"Trip 2 {key}" for key in ("−.10", "−.01", "+.01", "+.10", "0")]
        assert page.evaluate(CUT) == []
        assert page.evaluate(CUT_LISTS) == []
        del car.commands[:]
        page.click(".trip[data-trip='1'] button:text-is('−.01')")
        if size[0] < 600:
            page.click(".trip[data-trip='1'] [data-do=unfold]")
        page.click(".trip[data-trip='1'] button:text-is('+.01')")
        until(page, "document.getElementById('message').innerText.includes('+.01: done')")
        assert [command["metres"] for command in car.commands] == pytest.approx([-16.09344, 16.09344])
        page.keyboard.press("v")
        fresh(page)
        assert page.inner_text("#driver .unit") == "mph"
        assert page.evaluate(CUT) == []
        page.reload()
        fresh(page)
        assert page.inner_text("#driver .unit") == "mph"


def test_short_ways_are_in_metres_or_yards(browser: Browser, served: Served) -> None:
    with opened(browser, f"{served.url}/#navigator", SIZES[0]) as page:
        fresh(page)
        ways = "async () => { const {formats} = await import('/words.js'); return [%s].map(formats.way); }"
        km = [0.0042, 0.9, 0.9995, 1.5, 250.04]
        numbers = ", ".join(map(str, km))
        assert page.evaluate(ways % numbers) == [
            near(each) + ("" if each < 1 else " km") for each in km]  # fmt: skip
        page.evaluate("localStorage.setItem('units', 'miles')")
        assert page.evaluate(ways % numbers) == ["5 yd", "984 yd", "0.62 mi", "0.93 mi", "155.4 mi"]


def test_the_legend_has_every_code_a_touch_away(browser: Browser, served: Served) -> None:
    with opened(browser, f"{served.url}/#navigator", SIZES[1]) as page:
        fresh(page)
        page.click(".lists")
        page.wait_for_selector("#legend-dialog[open]")
        pairs = dict(
            zip(
                page.locator("#codes dt").all_inner_texts(),
                page.locator("#codes dd").all_inner_texts(),
                strict=True,
            )
        )
        kinds = {code.upper(): kind.meaning for code, kind in WAYPOINT_KINDS.items()}
        assert {code: meaning for code, meaning in pairs.items() if code not in "⌀~"} == kinds
        page.keyboard.press("Escape")
        page.keyboard.press("v")
        page.click("#driver [data-do=legend]")
        page.wait_for_selector("#legend-dialog[open]")
