"""The crew acts on the page: by touch, by key, by a remote with two buttons."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.logger.command_line import ROOT
from tests.logger.crew.browsing import SIZES, ZONE_SHOWN, fresh, opened, snapshot, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.page_reading import WIDE, waits
from tests.logger.crew.serving import EVERYWHERE, PIN, Served, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.load_sensitive


def test_trips_are_moved_and_undone_by_touch_and_by_key(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    with opened(browser, served.url + "/#navigator", WIDE) as page:
        fresh(page)
        del car.commands[:]
        for label in ("−100", "−10", "+10", "+100", "0"):
            page.click(f".trip[data-trip='2'] button:text-is('{label}')")
        page.click("[data-command=undo]")
        page.keyboard.press("u")
        page.keyboard.press("m")
        waits(lambda: len(car.commands) == 8)
        adjust = {"command": "adjust_distance", "trip": 2}
        moved = [adjust | {"metres": metres} for metres in (-100, -10, 10, 100)]
        reset = {"command": "reset_trip", "trip": 2}
        assert car.commands == [*moved, reset, {"command": "undo"}, {"command": "undo"}, {"command": "mark"}]
        until(page, "document.getElementById('message').innerText.includes('done')")


def test_the_section_is_set_to_the_waypoint_where_the_car_is(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    with opened(browser, served.url + "/#navigator", SIZES[2]) as page:
        fresh(page)
        del car.commands[:]
        page.keyboard.press("c")
        assert page.evaluate("document.activeElement.dataset.do") == "close", "Enter starts nothing by itself"
        button = page.locator("#at-next")
        assert button.inner_text().startswith("We are at ")
        km = float(button.inner_text().rpartition(" ")[2])
        button.click()
        waits(lambda: bool(car.commands))
        assert car.commands == [{"command": "set_distance", "km": km}]
        page.keyboard.press("c")
        page.fill("#start-at", "nonsense")
        page.keyboard.press("Enter")
        page.wait_for_selector("#message[data-wrong]:not(:empty)")
        assert car.commands[-1] == {"command": "schedule_start", "utc": "nonsense"}
        page.click("#section-dialog [data-command=undo]")
        waits(lambda: car.commands[-1] == {"command": "undo"})


def test_theme_view_and_clock_are_remembered(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url, WIDE) as page:
        fresh(page)
        for key in ("v", "t", "z"):
            page.keyboard.press(key)
        page.goto(served.url + "/")
        fresh(page)
        assert page.get_attribute("body", "data-view") == "driver"
        assert page.get_attribute("body", "data-theme") == "night"
        assert page.inner_text("#zone") == ZONE_SHOWN


def test_sound_is_off_until_it_is_touched(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url + "/#driver", WIDE) as page:
        page.evaluate("""() => { window.tones = 0; const make = AudioContext.prototype.createOscillator;
            AudioContext.prototype.createOscillator = function () { tones += 1; return make.call(this); }; }""")
        fresh(page)
        car.faster_kmh = 200
        page.wait_for_selector("[data-pace=over]:visible")
        assert page.evaluate("tones") == 0
        page.keyboard.press("s")
        assert page.inner_text("[data-sound]") == "Sound on"
        until(page, "tones >= 3")
        page.keyboard.press("s")
        page.wait_for_timeout(100)
        heard = page.evaluate("tones")
        page.wait_for_timeout(900)
        assert page.evaluate("tones") == heard


def test_the_pin_is_typed_once(browser: Browser, car: LiveCar, tmp_path: Path) -> None:
    with serving(tmp_path, car.socket, host=EVERYWHERE, pin=PIN) as server:
        context = browser.new_context(viewport={"width": 390, "height": 844})
        page = context.new_page()
        page.goto(server.url + "/")
        page.fill("#pin", "wrong")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('[role=alert]')?.innerText === 'Wrong pin.'")
        page.fill("#pin", PIN)
        page.keyboard.press("Enter")
        fresh(page)
        assert PIN not in page.url
        page.click(".trip[data-trip='1'] button:text-is('+10')")
        until(page, "document.getElementById('message').innerText.includes('done')")
        page.reload()
        fresh(page)
        context.close()


@pytest.mark.parametrize("view", ["driver", "navigator"])
def test_a_remote_resets_a_trip_and_takes_the_next_waypoint(
    browser: Browser, served: Served, car: LiveCar, view: str
) -> None:
    """Presenters send the page keys, roadbook remotes arrows, headsets media keys; all work in both views."""
    with opened(browser, f"{served.url}/#{view}", WIDE) as page:
        fresh(page)
        for key, trip in (("PageUp", 1), ("ArrowUp", 1), ("r", 1), ("1", 1), ("2", 2)):
            del car.commands[:]
            page.keyboard.press(key)
            waits(lambda: bool(car.commands))
            assert car.commands == [{"command": "reset_trip", "trip": trip}]
        page.keyboard.press("MediaTrackPrevious")
        waits(lambda: len(car.commands) == 2)
        until(page, "document.getElementById('message').innerText === ''")  # the answers are read
        del car.commands[:]
        is_far = snapshot(page)["next"]["distance_km"] > 0.5
        while is_far and "press again" not in page.inner_text("#message"):
            fresh(page)  # otherwise the page takes no key
            page.keyboard.press("PageDown")
        assert car.commands == []
        fresh(page)
        page.keyboard.press("PageDown")
        waits(lambda: bool(car.commands))
        (command,) = car.commands
        assert command["command"] == "set_distance"
        assert command["km"] in [mark["km"] for mark in snapshot(page)["section"]["marks"]]
        page.keyboard.press("u")
        waits(lambda: car.commands[-1] == {"command": "undo"})


def test_every_key_is_documented() -> None:
    static = resources.files("logger.crew") / "static"
    html, script = ((static / name).read_text(encoding="utf-8") for name in ("crew.html", "crew.js"))
    keys = set(re.findall(r'aria-keyshortcuts="(\w+)"', html)) | {"1", "2"}
    (remote,) = re.findall(r"const REMOTE = \{(.+)\};", script)
    keys |= set(re.findall(r'"(\w+)"', remote))
    assert {"m", "pagedown", "pageup"} <= keys, "the sources were read"
    chapter = (ROOT / "logger/README.md").read_text(encoding="utf-8").partition("## The crew page")[2]
    documented = {key.lower() for key in re.findall(r"`(\w+)`", chapter.partition("\n## ")[0])}
    assert keys - documented == set()


def test_a_remote_does_nothing_in_a_dialog(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, f"{served.url}/#navigator", WIDE) as page:
        fresh(page)
        del car.commands[:]
        page.keyboard.press("h")
        for key in ("PageUp", "PageDown", "ArrowUp"):
            page.keyboard.press(key)
        page.keyboard.press("m")
        waits(lambda: bool(car.commands))
        assert car.commands == [{"command": "mark"}]


def test_every_key_of_the_page_is_reached_with_tab_and_pressed_with_enter(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    with opened(browser, f"{served.url}/#navigator", WIDE) as page:
        fresh(page)
        shown = page.locator(":is(button, [role=button]):visible").count()
        focused = """() => { const {outerHTML} = document.activeElement; return outerHTML; }"""
        reached = set()
        for _ in range(shown + 2):
            page.keyboard.press("Tab")
            reached.add(page.evaluate(focused))
        assert len([each for each in reached if not each.startswith("<body")]) == shown
        del car.commands[:]
        page.focus("[data-command=mark]")
        page.keyboard.press("Enter")
        waits(lambda: car.commands == [{"command": "mark"}])
        page.focus("#navigator h2[role=button]")
        page.keyboard.press("Enter")
        page.wait_for_selector("#legend-dialog:visible")
        page.keyboard.press("Escape")
        assert page.evaluate("document.activeElement.matches('h2')"), "the focus returns"
