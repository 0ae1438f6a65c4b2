"""Alarms on the crew page: they make room, say the value that they are about, queue, and are read aloud once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.logger.crew.browsing import SIZES, fresh, opened, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.page_reading import seen
from tests.logger.crew.serving import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.load_sensitive


def test_alarms_queue_until_each_is_acknowledged(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url + "/#navigator", SIZES[1]) as page:
        fresh(page)
        page.click("[data-do=section]")
        car.engine["oil_bar"] = 0.2
        car.engine["coolant_c"] = 118.0
        page.wait_for_selector("#alarm:visible")
        until(page, "document.getElementById('alarm-name').innerText.includes('OF 2')")
        seen(page, ["#acknowledge", "#alarm-message", "#section-dialog [data-do=close]"])
        first = page.inner_text("#alarm-message")
        page.click("#acknowledge")
        until(page, "first => document.getElementById('alarm-message').innerText !== first", first)
        page.keyboard.press("a")
        page.wait_for_selector("#alarm", state="hidden")
        assert {alarm["name"] for alarm in car.published["alarms"] if alarm["acknowledged"]} == {
            "oil pressure",
            "coolant",
        }
        assert "oil pressure" in page.inner_text("#chips")


@pytest.mark.parametrize(
    ("channel", "value", "text", "later"),
    [
        ("battery_v", 12.1, "battery 12.1 V", 12.4),
        ("coolant_c", 118.0, "coolant 118 \u00b0C", 121.0),
        ("oil_bar", 0.2, "oil bar 0.2", 0.4),
    ],
)
def test_an_alarm_has_the_value_that_it_is_about(
    browser: Browser, served: Served, car: LiveCar, channel: str, value: float, text: str, later: float
) -> None:
    with opened(browser, served.url + "/#driver", SIZES[1]) as page:
        fresh(page)
        car.engine[channel] = value
        page.wait_for_selector("#alarm:visible")
        until(page, "text => document.getElementById('alarm-value').innerText === text", text)
        car.engine[channel] = later
        until(page, "text => document.getElementById('alarm-value').innerText !== text", text)


def test_an_alarm_is_read_aloud_once(browser: Browser, served: Served, car: LiveCar) -> None:
    """Its value and its time change ten times per second: they are not in the live region."""
    with opened(browser, served.url + "/#driver", SIZES[1]) as page:
        fresh(page)
        assert page.get_attribute("#spoken-alarm", "aria-live") == "assertive"
        page.evaluate("""() => { window.spoken = []; new MutationObserver(() => spoken.push(
            document.getElementById('spoken-alarm').textContent)).observe(
            document.getElementById('spoken-alarm'), {childList: true}); }""")
        car.engine["battery_v"] = 12.1
        page.wait_for_selector("#alarm:visible")
        since = page.inner_text("#alarm-since")
        car.engine["battery_v"] = 12.0
        until(page, "since => document.getElementById('alarm-since').innerText !== since", since)
        message = "Battery is not being charged: look at the alternator belt"
        assert page.evaluate("spoken") == [f"alternator, battery 12.1 V, {message}"]
        page.keyboard.press("a")
        until(page, "spoken.at(-1) === ''")


def test_reduced_motion_is_kept(browser: Browser, served: Served, car: LiveCar) -> None:
    moves = "box => getComputedStyle(box).animationName"
    with opened(browser, served.url + "/#driver", SIZES[1]) as page:
        fresh(page)
        car.faster_kmh = 200
        page.wait_for_selector("#driver .speed[data-pace=over]")
        assert page.eval_on_selector("#driver .speed", moves) == "over"
        page.emulate_media(reduced_motion="reduce")
        assert page.eval_on_selector("#driver .speed", moves) == "none"
