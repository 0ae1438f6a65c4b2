"""The map of the review page in a real browser, on a desk and on a phone: what it shows, and how it moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from logger.judgement.report import Report
from tests.logger.crew import browsing
from tests.logger.review.conftest import DESK, PHONE
from tests.logger.review.engine_page import view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(autouse=True)
def _begin(driven_page: Page) -> None:
    """Every test begins with the timed section, and the map that follows it."""
    driven_page.evaluate(
        "() => { stagelog.zoom(0, 14); stagelog.point(null); stagelog.map.fit(); "
        "stagelog.map.choose('drive.speed_kmh'); }"
    )
    settle(driven_page)


def settle(page: Page) -> None:
    """Wait for the next picture."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def frame(page: Page) -> dict[str, float]:
    found: dict[str, float] = page.evaluate("() => stagelog.map.frame()")
    return found


def painted(page: Page, x: float, y: float, size: int = 9) -> list[list[int]]:
    """The colours of the map's pixels around a place in CSS pixels."""
    found: list[list[int]] = page.evaluate(
        """([x, y, size]) => {
            const canvas = stagelog.map.element, ratio = window.devicePixelRatio, side = size * ratio;
            const [left, top] = [x, y].map((middle) => middle * ratio - side / 2);
            const { data } = canvas.getContext("2d").getImageData(left, top, side, side);
            return Array.from({ length: data.length / 4 }, (_, i) => [...data.slice(4 * i, 4 * i + 4)]);
        }""",
        [x, y, size],
    )
    return found


def box_of(page: Page, selector: str) -> dict[str, float]:
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(selector).bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def middle_of(page: Page) -> tuple[float, float]:
    box = box_of(page, "#map")
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_the_map_follows_the_plot(driven_page: Page) -> None:
    whole = frame(driven_page)
    driven_page.evaluate("stagelog.zoom(4, 6)")
    settle(driven_page)
    part = frame(driven_page)
    assert part["scale"] > 3 * whole["scale"]
    assert abs(part["n"] - whole["n"]) > 500
    driven_page.evaluate("stagelog.map.move({ e: 0, n: 0, scale: 0.05 })")
    settle(driven_page)
    assert frame(driven_page)["scale"] == 0.05
    driven_page.evaluate("stagelog.zoom(4, 6)")  # the same range: the map stays where the user has put it
    settle(driven_page)
    assert frame(driven_page)["scale"] == 0.05
    driven_page.evaluate("stagelog.zoom(4, 7)")
    settle(driven_page)
    assert part["scale"] * 0.5 < frame(driven_page)["scale"] < part["scale"]


def test_wheel_keys_buttons_and_mouse_move_the_map(driven_page: Page) -> None:
    x, y = middle_of(driven_page)
    begin = frame(driven_page)
    driven_page.mouse.move(x, y)
    driven_page.mouse.wheel(0, -400)
    browsing.until(driven_page, "(scale) => stagelog.map.frame().scale > 2 * scale", begin["scale"])
    driven_page.get_by_label("fit to the plot").click()
    settle(driven_page)
    assert frame(driven_page) == begin
    driven_page.get_by_label("zoom in").click()
    settle(driven_page)
    assert frame(driven_page)["scale"] == pytest.approx(1.4 * begin["scale"])
    driven_page.locator("#map").focus()
    for key in ("-", "ArrowRight", "ArrowDown"):
        driven_page.keyboard.press(key)
    settle(driven_page)
    moved = frame(driven_page)
    assert moved["scale"] == pytest.approx(begin["scale"])
    assert moved["e"] == pytest.approx(begin["e"] + 60 / begin["scale"])
    assert moved["n"] == pytest.approx(begin["n"] - 60 / begin["scale"])
    driven_page.keyboard.press("Home")
    settle(driven_page)
    assert frame(driven_page) == begin
    driven_page.mouse.move(x, y)
    driven_page.mouse.down()
    driven_page.mouse.move(x + 50, y - 30, steps=3)
    driven_page.mouse.up()
    settle(driven_page)
    dragged = frame(driven_page)
    assert dragged["e"] == pytest.approx(begin["e"] - 50 / begin["scale"])
    assert dragged["n"] == pytest.approx(begin["n"] - 30 / begin["scale"])


def test_fingers_on_the_map(chromium: Browser, driven_url: str) -> None:
    """Two fingers zoom and move it, and what lay under them stays there; one finger sideways moves it, upwards the
    page, and a tap points at the track."""
    with browsing.opened(chromium, driven_url, PHONE, touch=True) as page:
        settle(page)
        x, y = middle_of(page)
        hand = page.context.new_cdp_session(page)

        def touch(kind: str, *fingers: tuple[float, float]) -> None:
            points = [{"x": x + dx, "y": y + dy, "id": at} for at, (dx, dy) in enumerate(fingers)]
            hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

        begin = frame(page)
        touch("touchStart", (10, -40), (-30, 20))
        for share in (0.25, 0.5, 0.75, 1.0):
            touch("touchMove", (10 + 50 * share, -40 - 40 * share), (-30 - 30 * share, 20 + 20 * share))
        touch("touchEnd")
        settle(page)
        end = frame(page)
        before, after = np.array([(10, -40), (-30, 20)]), np.array([(60, -80), (-60, 40)])
        spread = np.hypot(*(after[1] - after[0])) / np.hypot(*(before[1] - before[0]))
        assert end["scale"] == pytest.approx(begin["scale"] * spread)
        first, last = before.mean(axis=0) / begin["scale"], after.mean(axis=0) / end["scale"]
        assert end["e"] + last[0] == pytest.approx(begin["e"] + first[0], abs=1)
        assert end["n"] - last[1] == pytest.approx(begin["n"] - first[1], abs=1)

        touch("touchStart", (0, 0))
        for dx in (15, 30, 60):
            touch("touchMove", (dx, 0))
        touch("touchEnd")
        settle(page)
        assert frame(page)["e"] == pytest.approx(end["e"] - 60 / end["scale"], abs=20 / end["scale"])

        touch("touchStart", (0, 0))
        touch("touchEnd")
        browsing.until(page, "() => stagelog.pointed() !== null")

        still, top = frame(page), page.evaluate("() => window.scrollY")
        touch("touchStart", (0, 0))
        for dy in (-20, -60, -120):
            touch("touchMove", (0, dy))
        touch("touchEnd")
        browsing.until(page, f"() => window.scrollY > {top}")
        assert frame(page) == still


def test_circles_are_to_scale_and_crossings_in_their_place(driven_page: Page, driven_report: Report) -> None:
    driven_page.evaluate("stagelog.zoom(1.4, 2.6)")
    settle(driven_page)
    scale = frame(driven_page)["scale"]
    marks = {mark["label"]: mark for mark in driven_page.evaluate("() => [...stagelog.marks]")}
    assert marks["WPM1"]["r"] == pytest.approx(250 * scale)
    nearest_m = next(point.nearest_m for point in driven_report.waypoints if point.name == "WPM1")
    x, y = marks["WPM1"]["x"], marks["WPM1"]["y"]
    at = marks["WPM1"]["at"]
    assert np.hypot(at[0] - x, at[1] - y) / scale == pytest.approx(nearest_m, abs=2)
    edge, beyond = (
        painted(driven_page, x + 250 * scale, y, 3),
        painted(driven_page, x + 250 * scale + 12, y, 3),
    )
    assert edge != beyond  # the circle's line is there
    driven_page.evaluate("stagelog.zoom(3.8, 4.2)")
    settle(driven_page)
    marks = {mark["label"]: mark for mark in driven_page.evaluate("() => [...stagelog.marks]")}
    assert marks["DZ 4.00"]["r"] == pytest.approx(90 * frame(driven_page)["scale"])


def test_the_channel_chosen_colours_the_track(driven_page: Page) -> None:
    """The colours on the map are those of the key, and change with the channel."""
    driven_page.evaluate("stagelog.zoom(4, 6)")
    settle(driven_page)
    x, y = driven_page.evaluate(
        """() => { const f = stagelog.map.frame(), box = stagelog.map.element.getBoundingClientRect();
            const [e, n] = stagelog.map.placeAt(4.9);
            return [box.width / 2 + (e - f.e) * f.scale, box.height / 2 - (n - f.n) * f.scale]; }"""
    )
    seen = {}
    for title, key in (
        ("Above the limit (km/h)", "drive.over_kmh"),
        ("Gear", "engine.gear"),
        ("Driver", "drive.driver"),
    ):
        driven_page.get_by_label("Colour of the track").select_option(title)
        settle(driven_page)
        assert driven_page.evaluate("() => stagelog.map.chosen") == key
        seen[key] = painted(driven_page, x, y)
        assert driven_page.locator(".plot .key").inner_text()
    driven_page.get_by_label("Colour of the track").select_option("drive.speed_kmh")
    driven_page.evaluate("stagelog.zoom(0.2, 3.6)")  # without an over-speed on top
    settle(driven_page)
    pictures = []
    for key in ("drive.speed_kmh", "engine.gear", "engine.rpm", ""):
        driven_page.get_by_label("Colour of the track").select_option(key)
        settle(driven_page)
        pictures.append(driven_page.evaluate("() => stagelog.map.element.toDataURL()"))
    assert len(set(pictures)) == 4
    assert driven_page.locator(".plot .key").is_hidden()  # one colour needs no key
    red = driven_page.evaluate("() => getComputedStyle(document.documentElement).getPropertyValue('--over')")
    assert [int(red.strip()[i : i + 2], 16) for i in (1, 3, 5)] in [
        pixel[:3] for pixel in seen["drive.over_kmh"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_ramp_can_be_read(chromium: Browser, driven_url: str, theme: str) -> None:
    """Its lightness rises evenly, so it needs no colours; each colour differs from the paper."""
    with browsing.opened(chromium, driven_url, DESK, theme) as driven_page:
        stops = driven_page.evaluate(
            "() => Array.from({ length: 24 }, (_, i) => stagelog.scale.ramp(i / 23))"
        )
        paper = driven_page.evaluate(
            "() => getComputedStyle(document.documentElement).getPropertyValue('--paper').trim()"
        )
    lightness = [luminance([int(part) for part in stop[4:-1].split()]) for stop in stops]
    assert np.diff(lightness).min() > 0.002
    ground = luminance([int(paper[i : i + 2], 16) for i in (1, 3, 5)])
    contrast = [(max(one, ground) + 0.05) / (min(one, ground) + 0.05) for one in lightness]
    assert min(contrast) > 1.9


def luminance(rgb: list[int]) -> float:
    """Relative luminance of sRGB (WCAG 2)."""
    linear = [(v / 255 + 0.055) ** 2.4 / 1.055**2.4 if v > 10 else v / 255 / 12.92 for v in rgb]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_the_background_is_drawn_and_its_names_do_nothing(driven_page: Page) -> None:
    box = driven_page.evaluate(
        "() => { const box = stagelog.map.element.getBoundingClientRect(); return [box.width, box.height] }"
    )
    driven_page.evaluate("stagelog.map.move({ e: 5500, n: -5500, scale: 0.02 })")  # beside the track
    settle(driven_page)
    area = driven_page.evaluate(
        "() => getComputedStyle(document.documentElement).getPropertyValue('--area').trim()"
    )
    colours = {tuple(pixel[:3]) for pixel in painted(driven_page, box[0] / 2, box[1] / 2, 150)}
    assert tuple(int(area[i : i + 2], 16) for i in (1, 3, 5)) in colours
    assert driven_page.locator("img").count() == 0


def test_nothing_is_wider_than_the_screen(driven_page: Page) -> None:
    assert driven_page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    for control in driven_page.locator(".tools > *, #distributions select").all():
        box = control.bounding_box()
        assert box is not None
        assert box["width"] >= 30 and box["height"] >= 24


def test_map_and_distributions_over_time(driven_page: Page) -> None:
    """The choice of distance or time changes the lanes, and nothing on the map."""
    driven_page.evaluate("stagelog.zoom(4, 6)")
    settle(driven_page)
    by_distance = frame(driven_page)
    driven_page.get_by_role("button", name="Time", exact=True).click()
    settle(driven_page)
    by_time = frame(driven_page)
    assert driven_page.evaluate("stagelog.axis()") == "s"
    assert by_time["scale"] == pytest.approx(by_distance["scale"], rel=0.02)
    assert by_time["n"] == pytest.approx(by_distance["n"], abs=30)
    first, last = view(driven_page)
    driven_page.locator("#distributions").scroll_into_view_if_needed()
    browsing.until(
        driven_page, "(seconds) => Math.abs(stagelog.distributions.seconds - seconds) < 1", last - first
    )
    driven_page.get_by_role("button", name="Distance", exact=True).click()
    settle(driven_page)


def test_a_link_shows_the_same_map(chromium: Browser, driven_url: str) -> None:
    shown = "() => [stagelog.map.chosen, stagelog.map.frame(), stagelog.distributions.histogram?.key]"
    with browsing.opened(chromium, driven_url, DESK) as page:
        page.get_by_label("Colour of the track").select_option("engine.gear")
        page.get_by_label("Channel of the histogram").select_option("engine.rpm")
        page.evaluate("stagelog.map.move({ e: 100, n: 200, scale: 0.5 })")
        page.locator("#distributions").scroll_into_view_if_needed()
        browsing.until(page, "() => stagelog.distributions.histogram?.key === 'engine.rpm'")
        link, seen = page.evaluate("() => stagelog.link()"), page.evaluate(shown)
    assert seen == ["engine.gear", {"e": 100, "n": 200, "scale": 0.5}, "engine.rpm"]
    with browsing.opened(chromium, driven_url + link, DESK) as page:
        page.locator("#distributions").scroll_into_view_if_needed()
        browsing.until(page, "() => stagelog.distributions.histogram?.key === 'engine.rpm'")
        assert page.evaluate(shown) == seen
        settle(page)
        assert page.get_by_label("Colour of the track").input_value() == "engine.gear"
    hostile = "#colour=constructor&map=1e999~x~-1&histogram=%3Cb%3E&dots=toString"
    with browsing.opened(chromium, driven_url + hostile, DESK) as page:
        assert page.evaluate("() => stagelog.map.chosen") == "drive.speed_kmh"
