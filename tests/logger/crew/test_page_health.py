"""The state of the log, the card and a USB stick on the crew page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.logger.crew.browsing import fresh, opened, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.page_reading import WIDE, waits
from tests.logger.crew.serving import Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.load_sensitive


def test_a_log_that_is_not_written_is_seen(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url + "/#driver", WIDE) as page:
        fresh(page)
        car.recording["ok"] = False
        until(page, "document.getElementById('chips').innerText.includes('LOG NOT WRITTEN')")
        car.recording |= {"ok": True, "dropped": 3}
        until(page, "document.getElementById('chips').innerText.includes('LOG lost 3')")


def test_a_card_with_little_room_says_for_how_many_hours(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    with opened(browser, served.url + "/#driver", WIDE) as page:
        car.recording["room_h"] = 52.0
        page.click("#health")
        until(page, "document.getElementById('details').innerText.includes('MB free, room 52.0 h')")
        assert "room" not in page.inner_text("#chips")
        car.recording["room_h"] = 6.5
        until(page, "document.getElementById('chips').innerText.includes('room 6.5 h')")
        assert page.get_attribute("#chips :text-is('room 6.5 h')", "data-state") == "near"
        car.recording["room_h"] = None
        until(page, "!document.getElementById('chips').innerText.includes('room')")


def catch_tones(page: Page) -> None:
    """From now on `tones` are the pitches that were heard."""
    page.evaluate("""() => { window.tones = []; const made = AudioContext.prototype.createOscillator;
        AudioContext.prototype.createOscillator = function () {
            const tone = made.call(this); setTimeout(() => tones.push(tone.frequency.value)); return tone; }; }""")


@pytest.mark.parametrize(("state", "chip"), [("partly", "STICK: 1 of 3"), ("failed", "STICK: failed")])
def test_a_stick_that_has_not_all_is_neither_green_nor_sounds_so(
    browser: Browser, served: Served, car: LiveCar, state: str, chip: str
) -> None:
    with opened(browser, served.url + "/#driver", WIDE) as page:
        catch_tones(page)
        fresh(page)
        page.keyboard.press("s")
        page.click("#health")
        detail = (
            "1 of 3 logs delivered; b-001.db: does not fit: 900 MB, and 12 MB are free. It may be pulled."
        )
        car.stick = {"state": state, "detail": detail, "age_s": 0.1}
        until(page, f"document.querySelector('#chips').innerText.startsWith('{chip}')")
        assert page.get_attribute(f"#chips :text-is('{chip}')", "data-state") != "good"
        until(page, "document.getElementById('details').innerText.includes('does not fit')")
        until(page, "tones.includes(370)")
        assert 990 not in page.evaluate("tones")
        car.stick = {"state": None, "detail": None, "age_s": None}


def test_a_stick_says_when_it_may_be_pulled(browser: Browser, served: Served, car: LiveCar) -> None:
    """The chip in either view, the words behind it, and a beep for as long as one looks for the stick."""
    with opened(browser, served.url + "/#driver", WIDE) as page:
        catch_tones(page)
        fresh(page)
        page.keyboard.press("s")
        car.stick = {"state": "copying", "detail": "1 of 2: a-001.db, 40%", "age_s": 0.1}
        until(page, "document.getElementById('chips').innerText.startsWith('STICK: wait')")
        assert 990 not in page.evaluate("tones")
        car.stick = {"state": "done", "detail": "2 logs copied, 9 MB. It may be pulled.", "age_s": 0.1}
        until(page, "document.getElementById('chips').innerText.startsWith('STICK: pull it')")
        until(page, "tones.includes(990)")
        page.click("#health")
        until(page, "document.getElementById('details').innerText.includes('It may be pulled')")
        car.stick = {"state": "done", "detail": "2 logs copied, 9 MB. It may be pulled.", "age_s": 100.0}

        def is_still() -> bool:
            stick = "tones.filter(tone => tone === 990).length"  # the car may be beeped at for its speed meanwhile
            heard = page.evaluate(stick)
            page.wait_for_timeout(4500)  # longer than from one beep to the next
            return bool(page.evaluate(stick) == heard)

        waits(is_still)
        car.stick = {"state": None, "detail": None, "age_s": None}
        until(page, "!document.getElementById('chips').innerText.includes('STICK')")
