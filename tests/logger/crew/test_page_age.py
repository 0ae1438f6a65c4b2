"""What is old looks old on the crew page, and what is lost is said, with what to do next."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.logger.crew.browsing import SCREENS, SIZES, fresh, listen, opened, texts, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.page_reading import KM, WIDE, expected, seen
from tests.logger.crew.serving import Served, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.load_sensitive

NOTE_TURNS = """async () => {
  const {waited} = await import('/link.js');
  window.turned = {};
  new MutationObserver(() => {
    turned[document.body.dataset.link] ??= waited();
  }).observe(document.body, {attributes: true}); }"""
"""How old the newest snapshot was when the page first called it stale, and gone."""


def test_an_old_value_looks_old_and_then_is_gone(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url + "/#driver", WIDE) as page:
        fresh(page)
        page.evaluate(NOTE_TURNS)
        car.hang()
        until(page, "document.body.dataset.link === 'stale'")
        assert page.inner_text("#trouble") == "Recorder is silent"
        assert page.get_attribute("#driver [data-value=speed_kmh]", "data-fresh") == "stale"
        assert re.fullmatch(r"\d+", texts(page, "driver")["speed_kmh"])
        until(page, "document.body.dataset.link === 'gone'")
        assert set(texts(page, "driver").values()) == {"--"}
        assert page.inner_text("#clock b") == "--"
        turned = page.evaluate("turned")
        assert turned["stale"] < 5
        assert turned["gone"] >= 5, "as long as it may be shown it is"
        car.resume()
        fresh(page)
        assert "--" not in texts(page, "driver").values()


def test_a_lost_fix_takes_the_speed_away_but_not_the_clock(
    browser: Browser, served: Served, car: LiveCar
) -> None:
    with opened(browser, served.url + "/#driver", WIDE) as page:
        fresh(page)
        car.gps_lost = True
        until(page, "document.querySelector('#driver [data-value=speed_kmh]').innerText === '--'")
        assert page.get_attribute("body", "data-link") == "fresh"
        assert re.fullmatch(r"\d\d:\d\d:\d\d", page.inner_text("#clock b"))
        page.wait_for_selector("#chips [data-state=bad]")
        page.wait_for_selector("#alarm:visible")
        assert "GPS is lost" in page.inner_text("#alarm")


def test_a_lost_server_is_said_and_heals(browser: Browser, car: LiveCar, tmp_path: Path) -> None:
    with serving(tmp_path, car.socket) as server:
        port = server.port
        context = browser.new_context(viewport={"width": 800, "height": 480})
        page = context.new_page()
        complaints = listen(page)
        page.goto(server.url + "/#driver")
        fresh(page)
        server.process.kill()
        until(page, "document.getElementById('trouble').innerText.startsWith('No connection')")
        until(page, "document.body.dataset.link === 'gone'")
        assert set(texts(page, "driver").values()) == {"--"}
    with serving(tmp_path, car.socket, port=port):
        fresh(page)
        assert texts(page, "driver") in [expected(told, "driver") for told in list(car.history)]
        context.close()
    assert not complaints


def test_a_lost_recorder_is_said_and_heals(browser: Browser, tmp_path: Path) -> None:
    with (
        LiveCar(tmp_path / "live.sock", KM) as own,
        serving(tmp_path, own.socket) as server,
        opened(browser, server.url + "/#navigator", SIZES[1]) as page,
    ):
        fresh(page)
        own.disconnect()
        until(page, "document.getElementById('trouble').innerText === 'No recorder'")
        page.keyboard.press("m")
        page.wait_for_selector("#message[data-wrong]:not(:empty)")
        assert "the recorder is not there" in page.inner_text("#message")
        own.connect()
        fresh(page)


@pytest.mark.parametrize("size", SCREENS)
def test_a_missing_recorder_says_what_to_do_next(
    browser: Browser, tmp_path: Path, size: tuple[int, int]
) -> None:
    with (
        serving(tmp_path, tmp_path / "nobody.sock") as server,
        opened(browser, server.url + "/#driver", size) as page,
    ):
        until(page, "document.getElementById('trouble').innerText === 'No recorder'")
        assert "systemctl restart stagelog-recorder" in page.inner_text("#next-step")
        seen(page, ["#trouble", "#next-step"])
        assert page.evaluate(
            "(({scrollHeight: all, clientHeight: seen}) => all <= seen)(document.getElementById('lost'))"
        )


def test_gps_has_one_indicator(browser: Browser, served: Served, car: LiveCar) -> None:
    """Not a red count of satellites beside a green port."""
    chips = "[...document.querySelectorAll('#chips span')].map(chip => [chip.innerText, chip.dataset.state])"
    with opened(browser, served.url + "/#driver", WIDE) as page:
        fresh(page)
        assert page.evaluate(chips) == [["3D, 12 sat", "good"], ["engine", "good"], ["LOG", "good"]]
        car.gps_lost = True
        until(page, "document.querySelector('#chips span').innerText === 'GPS: no fix'")
        assert page.evaluate(chips)[0][1] == "bad"
        assert "gps" not in [name for name, _ in page.evaluate(chips)]
        car.gps_lost = False
        until(page, "document.querySelector('#chips span').innerText === '3D, 12 sat'")
        car.links["gps"] |= {"state": "missing", "detail": "no such device"}
        until(page, "document.querySelector('#chips span').innerText === 'GPS: no data'")
        page.keyboard.press("h")
        until(page, "document.getElementById('details').innerText.includes('missing: no such device')")
        car.links["gps"] |= {"state": "open", "detail": ""}
