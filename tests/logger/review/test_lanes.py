"""The lanes of the review page in a real browser: channels, cursors, keyboard, touch, the page's address."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

from logger.review.verbs import review
from tests.logger import engine_drive
from tests.logger.crew import browsing
from tests.logger.review.engine_page import Drive, cell, choose, lanes, number, pictured, seconds, view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP, PHONE = (1280, 800), (390, 844)
BOOST, FUEL = "engine.boost_bar", "engine.fuel_l"
HOLD_S = 0.5
"""HOLD_MS of gestures.js: a finger that stays for so long sets the second cursor."""


def set_cursors(page: Page, engine_page: Drive, pinned_s: float, cursor_s: float) -> tuple[float, float]:
    """Pin one cursor and point the other, by the mouse; returns the seconds of both by the drive's own fixes."""
    box = page.locator("#lanes").bounding_box()
    assert box is not None
    whole = view(page)
    for x, click in ((pinned_s, True), (cursor_s, False)):
        km = float(np.interp(x, engine_page.s, engine_page.km))
        at = box["x"] + 60 + (box["width"] - 120) * (km - whole[0]) / (whole[1] - whole[0])
        page.mouse.move(at, box["y"] + 60)
        if click:
            page.mouse.click(at, box["y"] + 60)
    pictured(page)
    return tuple(
        np.interp(page.evaluate("[stagelog.pinned(), stagelog.pointed()]"), engine_page.km, engine_page.s)
    )


@pytest.mark.parametrize(("size", "touch"), [(DESKTOP, False), (PHONE, True)], ids=["desktop", "phone"])
def test_three_lanes_are_chosen_from_the_list(
    chromium: Browser, engine_page: Drive, size: tuple[int, int], touch: bool
) -> None:
    with browsing.opened(chromium, engine_page.url, size, touch=touch) as page:
        first = [["drive.limit_kmh", "drive.speed_kmh"], ["engine.rpm"], ["engine.coolant_c"]]
        assert lanes(page) == first
        choose(page, "boost", "altitude", "car.dbc fuel")
        assert lanes(page) == [*first, [BOOST], ["drive.alt_m"], [FUEL]]
        choose(page, "boost", "altitude", "fuel")  # again: taken out
        assert lanes(page) == first
        choose(page, "boost", "hdop", into="1")
        assert lanes(page)[1] == ["engine.rpm", BOOST, "drive.hdop"]
        page.click("[aria-label='Remove HDOP from lane 2']")
        page.click("[aria-label='Move lane 2 up']")
        assert lanes(page) == [["engine.rpm", BOOST], first[0], first[2]]
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Move lane 1 down"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_differences_between_two_cursors(chromium: Browser, engine_page: Drive) -> None:
    with browsing.opened(chromium, engine_page.url, DESKTOP) as page:
        choose(page, "boost")
        pinned_s, cursor_s = set_cursors(page, engine_page, 120, 300)
        assert seconds(cell(page, "time", "difference")) == pytest.approx(cursor_s - pinned_s, abs=0.1)
        a_km, b_km = np.interp([pinned_s, cursor_s], engine_page.s, engine_page.km)
        assert number(page, "km", "difference") == pytest.approx(b_km - a_km, abs=0.002)
        between = (b_km - a_km) / (cursor_s - pinned_s) * 3600
        assert number(page, "between", "difference") == pytest.approx(between, abs=0.2)
        truth: dict[str, tuple[Callable[[float], Any], float]] = {
            "drive.speed_kmh": (lambda s: np.interp(s, engine_page.s, engine_page.kmh), 0.2),
            "engine.rpm": (lambda s: engine_drive.rpm(s + engine_page.begin_s), 25),
            "engine.coolant_c": (lambda s: engine_drive.coolant_c(s + engine_page.begin_s), 0.02),
            BOOST: (lambda s: engine_drive.boost_bar(s + engine_page.begin_s), 0.04),
        }
        for key, (value, error) in truth.items():
            assert number(page, key, "cursor") == pytest.approx(float(value(cursor_s)), abs=error)
            assert number(page, key, "pinned") == pytest.approx(float(value(pinned_s)), abs=error)
            change = float(value(cursor_s) - value(pinned_s))
            assert number(page, key, "difference") == pytest.approx(change, abs=2 * error)


def test_statistics_of_what_is_in_view(chromium: Browser, engine_page: Drive) -> None:
    with browsing.opened(chromium, engine_page.url, DESKTOP) as page:
        page.click("#bar button:has-text('Time')")
        page.evaluate("stagelog.zoom(100, 160)")
        pictured(page)
        inside = (engine_page.s >= 100) & (engine_page.s <= 160)
        times_s = engine_page.begin_s + np.arange(100, 160, 0.1)
        for key, values, error in (
            ("drive.speed_kmh", engine_page.kmh[inside], 0.5),
            ("engine.rpm", engine_drive.rpm(times_s), 30),
            ("engine.coolant_c", engine_drive.coolant_c(times_s), 0.05),
        ):
            for column, figure in (("min", values.min()), ("mean", values.mean()), ("max", values.max())):
                assert number(page, key, column) == pytest.approx(float(figure), abs=error), (key, column)


def test_by_time_a_stop_is_as_long_as_it_took(chromium: Browser, engine_page: Drive) -> None:
    with browsing.opened(chromium, engine_page.url, DESKTOP) as page:
        page.evaluate("stagelog.zoom(2, 6)")
        by_km = view(page)
        page.click("#bar button:has-text('Time')")
        pictured(page)
        assert page.evaluate("stagelog.axis()") == "s"
        assert view(page) == pytest.approx(np.interp(by_km, engine_page.km, engine_page.s), abs=0.1)
        page.click("#bar button:has-text('Distance')")
        assert view(page) == pytest.approx(by_km, abs=0.001)
        page.click("#bar button:has-text('All')")
        page.click("#bar button:has-text('Time')")
        pictured(page)
        first, last = view(page)
        assert first <= 0 and last > engine_page.s[-1] - 0.3  # the engine ran before and after


def test_the_keyboard_alone(chromium: Browser, engine_page: Drive) -> None:
    with browsing.opened(chromium, engine_page.url, DESKTOP) as page:
        reached = _tab_to(page, "document.activeElement.textContent === 'Channels'")
        page.keyboard.press("Enter")
        page.keyboard.type("boost")
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert [BOOST] in lanes(page)
        _tab_to(page, "document.activeElement.id === 'lanes'")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        page.keyboard.press("Home")
        first, last = view(page)
        page.keyboard.press("ArrowRight")
        begin = page.evaluate("stagelog.pointed()")
        page.keyboard.press("p")
        assert page.evaluate("stagelog.pinned()") == begin
        page.keyboard.press("ArrowRight")
        small = page.evaluate("stagelog.pointed()") - begin
        page.keyboard.press("Shift+ArrowRight")
        assert page.evaluate("stagelog.pointed()") - begin == pytest.approx(11 * small)
        page.keyboard.press("+")
        zoomed = view(page)
        assert zoomed[1] - zoomed[0] == pytest.approx((last - first) / 1.5)
        assert zoomed[0] < page.evaluate("stagelog.pointed()") < zoomed[1]
        page.keyboard.press("-")
        page.keyboard.press("p")
        assert page.evaluate("stagelog.pinned()") is None
        assert view(page) == pytest.approx([first, last])
        assert {"All", "SS7", "Distance", "Time", "Channels"} <= reached
        _tab_to(page, "document.activeElement.tagName === 'TR'")
        page.keyboard.press("Enter")
        zoomed = view(page)
        assert zoomed[1] - zoomed[0] < last - first


def _tab_to(page: Page, holds: str) -> set[str]:
    """Press Tab until an expression holds; returns the texts of what had the focus."""
    texts = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        texts.add(page.evaluate("document.activeElement.textContent"))
        if page.evaluate(holds):
            return texts
    raise AssertionError(f"Tab does not reach: {holds}")


def test_an_engine_without_gps_is_drawn_over_time(chromium: Browser, tmp_path: Path) -> None:
    log, written = tmp_path / "no-gps.db", tmp_path / "no-gps.html"
    engine_drive.write_log(log)
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("DELETE FROM fix")
        connection.execute("DELETE FROM progress")
        connection.commit()
    CliRunner().invoke(review, [str(log), "--html", str(written)], standalone_mode=False)
    with browsing.opened(chromium, written.as_uri(), DESKTOP) as page:
        pictured(page)
        assert (page.evaluate("stagelog.axis()"), lanes(page)) == (
            "s",
            [["engine.rpm"], ["engine.coolant_c"]],
        )
        page.evaluate("stagelog.point(stagelog.view()[0] + 15)")
        pictured(page)
        assert number(page, "engine.rpm", "cursor") == pytest.approx(6000, abs=25)
        page.click("#bar button:has-text('Distance')")
        pictured(page)


HOSTILE = "<img src=x onerror=alert(1)>"


def test_hostile_names_and_values(chromium: Browser, tmp_path: Path) -> None:
    log, written = tmp_path / "hostile.db", tmp_path / "hostile.html"
    engine_drive.write_log(log)
    with closing(sqlite3.connect(log)) as connection:
        connection.execute("UPDATE channel SET name = ?, unit = ?, source = ? WHERE id = 1", (HOSTILE,) * 3)
        connection.execute("INSERT INTO channel VALUES (3, '__proto__', 'V', ''), (4, 'wild', 'V', '')")
        wild = [1e308, -1e308, 0.0, 1.0, -1e-308, 3.5, 1e39, 5e-324]
        rows = [
            (1, t_us, channel, wild[t_us // 1000 % 8] if channel == 4 else 7.0)
            for t_us in range(0, 500_000_000, 77_000)
            for channel in (3, 4)
        ]
        connection.executemany("INSERT INTO reading VALUES (?, ?, ?, ?)", rows)
        connection.commit()
    result = CliRunner().invoke(review, [str(log), "--html", str(written)], standalone_mode=False)
    assert result.exception is None, result.output
    with browsing.opened(chromium, written.as_uri(), DESKTOP) as page:
        choose(page, "__proto__", "wild")
        assert lanes(page)[-3:] == [[f"engine.{HOSTILE}"], ["engine.__proto__"], ["engine.wild"]]
        page.click("#bar button:has-text('Channels')")
        assert HOSTILE in page.inner_text("#channel-list")
        page.keyboard.press("Escape")
        page.evaluate("stagelog.point(5)")
        pictured(page)
        assert number(page, "__proto__", "cursor") == 7
        assert HOSTILE in page.inner_text(".heads") and HOSTILE in page.inner_text("#readings")
        assert page.locator("img").count() == 0


def test_fingers(chromium: Browser, engine_page: Drive) -> None:
    with browsing.opened(chromium, engine_page.url, PHONE, touch=True) as page:
        pictured(page)
        assert "tap" in page.inner_text("#readout") and "click" not in page.inner_text("#readout")
        box = page.locator("#lanes").bounding_box()
        assert box is not None
        hand = page.context.new_cdp_session(page)
        y = box["y"] + 100

        def touch(kind: str, *xs: float) -> None:
            points = [{"x": box["x"] + x, "y": y, "id": number} for number, x in enumerate(xs)]
            hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        while True:
            page.evaluate("stagelog.pin(null); stagelog.point(null)")
            began = time.monotonic()
            touch("touchStart", 200)
            touch("touchEnd")
            if time.monotonic() - began < HOLD_S:  # else it may have been a hold
                break
        tapped = page.evaluate("stagelog.pointed()")
        assert tapped is not None and page.evaluate("stagelog.pinned()") is None
        touch("touchStart", 150)  # hold
        browsing.until(page, "stagelog.pinned() !== null")
        touch("touchEnd")
        assert page.evaluate("stagelog.pinned()") < tapped
        first, last = view(page)
        touch("touchStart", 150, 200)  # pinch
        for apart in (10, 30, 60):
            touch("touchMove", 150 - apart, 200 + apart)
        touch("touchEnd")
        pictured(page)
        zoomed = view(page)
        assert zoomed[1] - zoomed[0] == pytest.approx((last - first) * 50 / 170, rel=0.05)
        touch("touchStart", 200)  # drag
        for x in (180, 150, 100):
            touch("touchMove", x)
        touch("touchEnd")
        pictured(page)
        panned = view(page)
        assert panned[0] > zoomed[0] and panned[1] - panned[0] == pytest.approx(zoomed[1] - zoomed[0])
        assert page.evaluate("stagelog.pointed()") is not None  # it stays when the finger leaves
