"""The crew page in a real browser: what is read there is what the recorder said."""

from __future__ import annotations

import os
import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logger.demo import demo
from tests.logger.crew.browsing import PATIENCE_MS, SIZES, fresh, opened, snapshot, texts, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.page_reading import CUT_LISTS, WIDE, expected, official
from tests.logger.crew.serving import Served, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.load_sensitive

PICTURES = Path(__file__).parents[2] / "pictures"
ZONE_AHEAD_S = 72.0
"""Of the demonstration: the checkpoint is passed, and half a minute follows in which the next zone is announced."""
CP1 = ["CP1", "0:24:31", "105.2", "+0:11", "Peterhansel"]
"""The split of the later winner at km 43, and the gap to who led there."""
MARKS = """() => [...document.querySelectorAll('#marks > i')]
  .map(({className, style: {insetInlineStart: at, width}}) =>
    [className.split(' ')[0], parseFloat(at), parseFloat(width) || 0])"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_read_is_what_was_said(
    browser: Browser, served: Served, car: LiveCar, size: tuple[int, int], theme: str, tmp_path: Path
) -> None:
    with opened(browser, served.url + "/#driver", size, theme) as page:
        for view in ("driver", "navigator"):
            page.evaluate("view => location.hash = view", view)
            fresh(page)
            for _ in range(5):
                read, said = texts(page, view), list(car.history)
                assert read in [expected(told, view) for told in said], (read, expected(said[-1], view))
                page.wait_for_timeout(130)
            assert page.get_attribute("body", "data-theme") == {"light": "day", "dark": "night"}[theme]
            page.screenshot(path=tmp_path / f"{view}.png")


def test_the_road_ahead_is_drawn_to_scale(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url + "/#navigator", WIDE) as page:
        fresh(page)
        section = car.published["section"]
        drawn = page.evaluate(MARKS)
        length = section["length_km"]
        controls = {"dss", "ass", "cp", "dn"}
        wanted = [
            (
                "zone" if mark["kind"] == "dz" else "control" if mark["kind"] in controls else "point",
                pytest.approx(100 * mark["km"] / length, abs=0.01),
            )
            for mark in section["marks"]
            if mark["kind"] != "fz"
        ]
        assert [(kind, left) for kind, left, _ in drawn] == wanted
        zone = next(width for kind, _, width in drawn if kind == "zone")
        assert zone == pytest.approx(100 * 1.3 / length, abs=0.01)  # DZ at 24.8, FZ at 26.1
        here = page.evaluate("parseFloat(document.getElementById('car').style.insetInlineStart)")
        assert here in [
            pytest.approx(100 * told["section"]["progress"], abs=0.001) for told in list(car.history)
        ]
        upcoming = page.inner_text("#next li:first-child").split("\n")
        assert upcoming[0] in {re.sub(r" \d+\.\d\d$", "", told["next"]["name"]) + suffix
                               for told in list(car.history) for suffix in ("", " 50")}  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_the_splits_are_those_of_the_source(
    browser: Browser, served: Served, car: LiveCar, size: tuple[int, int], tmp_path: Path
) -> None:
    """At km 43 the later winner is 11 s behind: the gap, and whose time it is, where there is room for that."""
    with opened(browser, served.url + "/#navigator", size) as page:
        fresh(page)
        (shown,) = [row.split("\n") for row in page.locator("#splits li").all_inner_texts()]
        assert shown == (CP1 if size != (800, 480) else [CP1[0], CP1[1], CP1[3]])
        assert page.evaluate(CUT_LISTS) == []
        assert snapshot(page)["compliance"], "a time to beat is no navigation"
        page.screenshot(path=tmp_path / "splits.png", full_page=True)


def test_the_winner_averages_100_at_the_finish(browser: Browser, tmp_path: Path) -> None:
    with (
        LiveCar(tmp_path / "live.sock", 345.9) as own,
        serving(tmp_path, own.socket) as server,
        opened(browser, server.url + "/#navigator", SIZES[1]) as page,
    ):
        until(page, "document.querySelectorAll('#splits li').length === 4")
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        rows = [row.split("\n") for row in page.locator("#splits li").all_inner_texts()]
        assert [row[0] for row in rows] == ["CP1", "CP2", "CP3", "ASS"]
        assert rows[0] == CP1
        assert rows[-1] == ["ASS", "3:27:36", "100.0", "0:00", "Baciuska"]
        page.screenshot(path=tmp_path / "finish.png")


def test_the_engine_is_shown_with_its_units(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url + "/#navigator", WIDE) as page:
        fresh(page)
        shown = dict(row.split("\n")[::-1] for row in page.locator("#engine p").all_inner_texts())
        assert shown == {
            "battery": "14.1V", "coolant": "91°", "oil bar": "4.2", "oil": "104°", "rpm": "3450", "fuel": "63%",
        }  # fmt: skip
        car.engine = {"rpm": 1000.0}
        page.wait_for_selector("#engine [data-engine=battery_v][data-fresh=stale]")
        until(page, "document.querySelector('[data-engine=battery_v]').innerText === '--'")
        until(page, "document.querySelector('[data-engine=rpm]').innerText === '1000'")


def test_the_last_controls_are_told_with_their_times(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url + "/#driver", SIZES[1]) as page:
        fresh(page)
        page.keyboard.press("h")
        page.wait_for_selector("#position:visible")
        rows = dict(
            zip(
                page.locator("#details dt").all_inner_texts(),
                page.locator("#details dd").all_inner_texts(),
                strict=True,
            )
        )
        controls = car.published["controls"]
        assert {control["name"] for control in controls} >= {"DSS", "CP1"}
        for control in controls:
            assert rows[control["name"]] == f"{control['utc'][11:19]}, {official(control['elapsed_s'])}"


def test_position_and_heading_are_nowhere_in_a_timed_section(
    browser: Browser, served: Served, car: LiveCar, tmp_path: Path
) -> None:
    with opened(browser, served.url + "/#navigator", WIDE) as page:
        fresh(page)
        page.keyboard.press("h")
        page.wait_for_selector("#position:visible")
        assert page.inner_text("#position") == "hidden in the timed section"
        gps = snapshot(page)["gps"]
        assert (gps["lat"], gps["lon"], gps["course_deg"]) == (None, None, None)
        assert car.published["gps"]["lat"] is not None
    with (
        serving(tmp_path, car.socket, "--no-compliance") as free,
        opened(browser, free.url + "/#navigator", WIDE) as page,
    ):
        fresh(page)
        page.keyboard.press("h")
        page.wait_for_selector("#position:visible")
        shown = page.inner_text("#position")
        assert any(
            shown.startswith(f"{told['gps']['lat']:.5f}, {told['gps']['lon']:.5f}, heading ")
            for told in list(car.history)
        )


def test_it_works_without_a_channel_between_tabs(browser: Browser, served: Served, car: LiveCar) -> None:
    context = browser.new_context()
    context.add_init_script("delete window.BroadcastChannel")
    page = context.new_page()
    page.goto(served.url)
    fresh(page)
    context.close()


@contextmanager
def demonstration(folder: Path, later_s: float) -> Iterator[str]:
    """`stagelog demo`, begun later than usual: its address."""
    prepared = demo.prepare(folder, lambda share: None, later_s)
    stop, address = threading.Event(), queue.Queue[str]()
    arguments = (prepared, 10, 1000, stop, address.put, lambda status: None)
    thread = threading.Thread(target=demo.run, args=arguments)
    thread.start()
    try:
        yield address.get(timeout=60)
    finally:
        stop.set()
        thread.join()


def test_pictures_of_both_views(browser: Browser, tmp_path: Path) -> None:
    """The demonstration after its first checkpoint, a zone ahead. STAGELOG_PICTURES=1 makes them the README's."""
    folder = PICTURES if os.environ.get("STAGELOG_PICTURES") else tmp_path
    with demonstration(tmp_path / "demo", ZONE_AHEAD_S) as address:
        pages = [browser.new_page(viewport={"width": WIDE[0], "height": WIDE[1]}) for _ in range(2)]
        for view, page in zip(("driver", "navigator"), pages, strict=True):
            page.goto(f"{address}#{view}")
        for view, page in zip(("driver", "navigator"), pages, strict=True):
            page.set_default_timeout(PATIENCE_MS)
            page.wait_for_selector(f"#{view} [data-notice][data-kind=ahead]")
            until(page, "document.querySelectorAll('#engine p').length >= 6")
            fresh(page)
            until(page, "document.querySelectorAll('main [data-fresh=stale]').length === 0")
            page.screenshot(path=folder / f"{view}.png")
            assert view == "driver" or page.inner_text("#splits li").split("\n") == CP1
            shown = snapshot(page)
            assert shown["limit"]["approaching_m"] == pytest.approx(
                shown["next"]["distance_km"] * 1000, abs=0.06
            )
            assert shown["next"]["kind"] == "dz"
            page.close()
    assert (folder / "driver.png").stat().st_size > 10_000
