"""The lanes of the review page in a real browser: channels, cursors, keyboard, touch, the page's address."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import pytest
from click.testing import CliRunner

from logger.review.open_evidence import ReviewOptions, open_evidence
from logger.review.report import report_of
from logger.review.verbs import review
from tests.logger.crew import browsing
from tests.logger.review import engine_drive
from tests.logger.review.engine_drive import Floats

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP, PHONE = (1280, 800), (390, 844)
BOOST, FUEL = "engine.boost_bar", "engine.fuel_l"


@dataclass(frozen=True)
class Drive:
    """A page, and what Python knows of its log: time since the first fix, kilometre and km/h of each fix.

    The first fix was `begin_s` after the log's begin, from which the engine's values count.
    """

    url: str
    begin_s: float
    s: Floats
    km: Floats
    kmh: Floats


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Drive:
    folder = tmp_path_factory.mktemp("lanes")
    log, page = folder / "driven.db", folder / "review.html"
    engine_drive.write_log(log)
    done = CliRunner().invoke(review, [str(log), "--signals", "--html", str(page)], standalone_mode=False)
    assert done.return_value == 0, done.output
    with open_evidence(log, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        report = report_of(evidence, rules, connection)
    places, fixes = report.places, evidence.fixes
    driven = (places.run >= 0) & np.isfinite(places.metres)
    base_m = np.array([report.offset_m(run.section) for run in report.day.sections])[places.run[driven]]
    at_s = (fixes.at_us[driven] - fixes.at_us[driven][0]) / 1e6
    km = np.maximum.accumulate(places.metres[driven] + base_m) / 1000
    begin_s = fixes.t_us[driven][0] / 1e6
    return Drive(page.as_uri(), begin_s, at_s, km, places.mps[driven] * 3.6)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


def cell(page: Page, row: str, column: str) -> str:
    """A cell of the table of values; `row` ends with the channel's key."""
    return page.locator(f"#readings tr[data-row$='{row}'] td.{column}").first.inner_text().replace("−", "-")


def number(page: Page, row: str, column: str) -> float:
    return float(cell(page, row, column))


def seconds(text: str) -> float:
    sign = -1 if text.startswith("-") else 1
    hours, minutes, rest = text.lstrip("+-").split(":")
    return sign * (int(hours) * 3600 + int(minutes) * 60 + float(rest))


def lanes(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate("stagelog.lanes()")
    return found


def pictured(page: Page) -> None:
    """Wait until the picture of all changes is drawn."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def choose(page: Page, *searches: str, into: str = "new") -> None:
    """Put channels into lanes through the list."""
    page.click("#bar button:has-text('Channels')")
    page.locator("#channel-list select").select_option(into)
    for search in searches:
        page.locator("#channel-list input").fill(search)
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def set_cursors(page: Page, drive: Drive, pinned_s: float, cursor_s: float) -> tuple[float, float]:
    """Pin one cursor and point the other, by the mouse; returns the seconds of both by the drive's own fixes."""
    box = page.locator("#lanes").bounding_box()
    assert box is not None
    whole = page.evaluate("stagelog.view()")
    for x, click in ((pinned_s, True), (cursor_s, False)):
        km = float(np.interp(x, drive.s, drive.km))
        at = box["x"] + 60 + (box["width"] - 120) * (km - whole[0]) / (whole[1] - whole[0])
        page.mouse.move(at, box["y"] + 60)
        if click:
            page.mouse.click(at, box["y"] + 60)
    pictured(page)
    return tuple(np.interp(page.evaluate("[stagelog.pinned(), stagelog.pointed()]"), drive.km, drive.s))


@pytest.mark.parametrize(("size", "touch"), [(DESKTOP, False), (PHONE, True)], ids=["desktop", "phone"])
def test_three_lanes_are_chosen_from_the_list(
    chromium: Browser, drive: Drive, size: tuple[int, int], touch: bool
) -> None:
    with browsing.opened(chromium, drive.url, size, touch=touch) as page:
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


def test_differences_between_two_cursors(chromium: Browser, drive: Drive) -> None:
    with browsing.opened(chromium, drive.url, DESKTOP) as page:
        choose(page, "boost")
        pinned_s, cursor_s = set_cursors(page, drive, 120, 300)
        assert seconds(cell(page, "time", "difference")) == pytest.approx(cursor_s - pinned_s, abs=0.1)
        a_km, b_km = np.interp([pinned_s, cursor_s], drive.s, drive.km)
        assert number(page, "km", "difference") == pytest.approx(b_km - a_km, abs=0.002)
        between = (b_km - a_km) / (cursor_s - pinned_s) * 3600
        assert number(page, "between", "difference") == pytest.approx(between, abs=0.2)
        truth: dict[str, tuple[Callable[[float], Any], float]] = {
            "drive.speed_kmh": (lambda s: np.interp(s, drive.s, drive.kmh), 0.2),
            "engine.rpm": (lambda s: engine_drive.rpm(s + drive.begin_s), 25),
            "engine.coolant_c": (lambda s: engine_drive.coolant_c(s + drive.begin_s), 0.02),
            BOOST: (lambda s: engine_drive.boost_bar(s + drive.begin_s), 0.04),
        }
        for key, (value, error) in truth.items():
            assert number(page, key, "cursor") == pytest.approx(float(value(cursor_s)), abs=error)
            assert number(page, key, "pinned") == pytest.approx(float(value(pinned_s)), abs=error)
            change = float(value(cursor_s) - value(pinned_s))
            assert number(page, key, "difference") == pytest.approx(change, abs=2 * error)


def test_statistics_of_what_is_in_view(chromium: Browser, drive: Drive) -> None:
    with browsing.opened(chromium, drive.url, DESKTOP) as page:
        page.click("#bar button:has-text('Time')")
        page.evaluate("stagelog.zoom(100, 160)")
        pictured(page)
        inside = (drive.s >= 100) & (drive.s <= 160)
        times_s = drive.begin_s + np.arange(100, 160, 0.1)
        for key, values, error in (
            ("drive.speed_kmh", drive.kmh[inside], 0.5),
            ("engine.rpm", engine_drive.rpm(times_s), 30),
            ("engine.coolant_c", engine_drive.coolant_c(times_s), 0.05),
        ):
            for column, figure in (("min", values.min()), ("mean", values.mean()), ("max", values.max())):
                assert number(page, key, column) == pytest.approx(float(figure), abs=error), (key, column)


def test_by_time_a_stop_is_as_long_as_it_took(chromium: Browser, drive: Drive) -> None:
    with browsing.opened(chromium, drive.url, DESKTOP) as page:
        page.evaluate("stagelog.zoom(2, 6)")
        by_km = page.evaluate("stagelog.view()")
        page.click("#bar button:has-text('Time')")
        pictured(page)
        assert page.evaluate("stagelog.axis()") == "s"
        assert page.evaluate("stagelog.view()") == pytest.approx(np.interp(by_km, drive.km, drive.s), abs=0.1)
        page.click("#bar button:has-text('Distance')")
        assert page.evaluate("stagelog.view()") == pytest.approx(by_km, abs=0.001)
        page.click("#bar button:has-text('All')")
        page.click("#bar button:has-text('Time')")
        pictured(page)
        first, last = page.evaluate("stagelog.view()")
        assert first <= 0 and last > drive.s[-1] - 0.3  # the engine ran before and after


def test_the_keyboard_alone(chromium: Browser, drive: Drive) -> None:
    with browsing.opened(chromium, drive.url, DESKTOP) as page:
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
        first, last = page.evaluate("stagelog.view()")
        page.keyboard.press("ArrowRight")
        begin = page.evaluate("stagelog.pointed()")
        page.keyboard.press("p")
        assert page.evaluate("stagelog.pinned()") == begin
        page.keyboard.press("ArrowRight")
        small = page.evaluate("stagelog.pointed()") - begin
        page.keyboard.press("Shift+ArrowRight")
        assert page.evaluate("stagelog.pointed()") - begin == pytest.approx(11 * small)
        page.keyboard.press("+")
        zoomed = page.evaluate("stagelog.view()")
        assert zoomed[1] - zoomed[0] == pytest.approx((last - first) / 1.5)
        assert zoomed[0] < page.evaluate("stagelog.pointed()") < zoomed[1]
        page.keyboard.press("-")
        page.keyboard.press("p")
        assert page.evaluate("stagelog.pinned()") is None
        assert page.evaluate("stagelog.view()") == pytest.approx([first, last])
        assert {"All", "SS7", "Distance", "Time", "Channels"} <= reached
        _tab_to(page, "document.activeElement.tagName === 'TR'")
        page.keyboard.press("Enter")
        zoomed = page.evaluate("stagelog.view()")
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


def test_a_link_shows_the_same_view(chromium: Browser, drive: Drive) -> None:
    with browsing.opened(chromium, drive.url, DESKTOP) as page:
        choose(page, "boost", into="1")
        page.click("#bar button:has-text('Time')")
        page.evaluate("stagelog.zoom(100, 200); stagelog.pin(120); stagelog.point(180.5)")
        browsing.until(page, "location.hash.includes('180.5')")
        link, shown = page.url, _state(page)
        page.reload()
        pictured(page)
        assert _state(page) == shown
        assert BOOST in lanes(page)[1]
    with browsing.opened(chromium, link, PHONE, touch=True) as page:
        assert _state(page) == shown


def _state(page: Page) -> Any:
    return page.evaluate(
        "[stagelog.axis(), stagelog.view(), stagelog.pinned(), stagelog.pointed(), stagelog.lanes()]"
    )


BAD = [
    *("%", "by=x", "view=1", "view=9~3", "view=NaN~Infinity", "view=~", "view=-1e308~1e308"),
    *("cursor=", "pin=abc", "cursor=1e999", "lanes=", "lanes=[", "lanes={}", "lanes=7", "lanes=[[]]"),
    *('lanes=[["no.such"]]', 'lanes=[7,null,["__proto__"],[["x"]]]', "lanes=" + "[" * 5000, "x" * 30_000),
    *("<img src=x onerror=alert(1)>", "lanes=" + quote('[["<script>alert(1)</script>"]]')),
]


def test_a_bad_link_is_ignored(chromium: Browser, drive: Drive) -> None:
    with browsing.opened(chromium, drive.url, DESKTOP) as page:
        usual = _state(page)
        assert usual[1] == pytest.approx([0, 14], abs=0.1)
        for fragment in BAD:
            page.goto("about:blank")
            page.goto(f"{drive.url}#{fragment}")
            pictured(page)
            if "1e308" not in fragment:  # the whole day is a fair answer to that
                assert _state(page) == usual, fragment
            page.evaluate("fragment => { location.hash = fragment; }", fragment)
            pictured(page)
            assert lanes(page) == usual[4]
        # The address changes while the page is about to write its own.
        page.evaluate(
            "async () => { stagelog.point(3); await new Promise(done => setTimeout(done, 250)); location.hash = 'by=s';"
            " const began = performance.now(); while (performance.now() < began + 200); }"
        )
        browsing.until(page, "stagelog.axis() === 's'")
        page.goto("about:blank")
        mixed = json.dumps([["engine.rpm", "no.such"], ["no.such"], 5])
        page.goto(f"{drive.url}#lanes={quote(mixed)}&view=x&pin=3")
        assert lanes(page) == [["engine.rpm"]]
        assert page.evaluate("stagelog.pinned()") == 3


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


def test_fingers(chromium: Browser, drive: Drive) -> None:
    with browsing.opened(chromium, drive.url, PHONE, touch=True) as page:
        pictured(page)
        assert "tap" in page.inner_text("#readout") and "click" not in page.inner_text("#readout")
        box = page.locator("#lanes").bounding_box()
        assert box is not None
        hand = page.context.new_cdp_session(page)
        y = box["y"] + 100

        def touch(kind: str, *xs: float) -> None:
            points = [{"x": box["x"] + x, "y": y, "id": number} for number, x in enumerate(xs)]
            hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        touch("touchStart", 200)
        touch("touchEnd")
        tapped = page.evaluate("stagelog.pointed()")
        assert tapped is not None and page.evaluate("stagelog.pinned()") is None
        touch("touchStart", 150)  # hold
        browsing.until(page, "stagelog.pinned() !== null")
        touch("touchEnd")
        assert page.evaluate("stagelog.pinned()") < tapped
        first, last = page.evaluate("stagelog.view()")
        touch("touchStart", 150, 200)  # pinch
        for apart in (10, 30, 60):
            touch("touchMove", 150 - apart, 200 + apart)
        touch("touchEnd")
        pictured(page)
        zoomed = page.evaluate("stagelog.view()")
        assert zoomed[1] - zoomed[0] == pytest.approx((last - first) * 50 / 170, rel=0.05)
        touch("touchStart", 200)  # drag
        for x in (180, 150, 100):
            touch("touchMove", x)
        touch("touchEnd")
        pictured(page)
        panned = page.evaluate("stagelog.view()")
        assert panned[0] > zoomed[0] and panned[1] - panned[0] == pytest.approx(zoomed[1] - zoomed[0])
        assert page.evaluate("stagelog.pointed()") is not None  # it stays when the finger leaves
