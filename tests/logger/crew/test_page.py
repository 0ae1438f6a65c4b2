"""The crew page in a real browser: what is read there is what the recorder said, and no older than it looks."""

from __future__ import annotations

import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from logger.demo import demo
from tests.logger.crew.browsing import (
    PATIENCE_MS,
    SIZES,
    chromium,
    fresh,
    listen,
    opened,
    snapshot,
    texts,
    until,
)
from tests.logger.crew.live_car import HEALTHY, LiveCar
from tests.logger.crew.serving import EVERYWHERE, PIN, Served, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.load_sensitive

KM = 43.4
PICTURES = Path(__file__).parents[2] / "pictures"
WIDE = SIZES[0]
ZONE_AHEAD_S = 72.0
"""Of the demonstration: the checkpoint is passed, and half a minute follows in which the next zone is announced."""

CUT = """() => [...document.querySelectorAll('main [data-value]')].filter(value => {
    const box = value.closest('p, .sign, section').getBoundingClientRect(), own = value.getBoundingClientRect();
    return value.offsetParent && (own.left < box.left - 1 || own.right > box.right + 1);
  }).map(value => value.outerHTML)"""
"""Values that are wider than their place."""
CUT_LISTS = """() => [...document.querySelectorAll('.lists li > *')]
  .filter(cell => cell.offsetParent && cell.scrollWidth > cell.clientWidth).map(cell => cell.outerHTML)"""
"""Cells of the lists in which something does not fit."""
CP1 = ["CP1", "0:24:31", "105.2", "+0:11", "Peterhansel"]
"""The split of the later winner at km 43, and the gap to who led there."""
PLACES = """() => [...document.querySelectorAll('header > *, main > section, nav, .trip, main section p, .sign')]
  .filter(box => box.offsetParent).map(box => {
    const {left, top, width, height} = box.getBoundingClientRect();
    return [left, top, width, height].map(Math.round);
  })"""
MARKS = """() => [...document.querySelectorAll('#marks > i')]
  .map(({className, style: {insetInlineStart: at, width}}) =>
    [className.split(' ')[0], parseFloat(at), parseFloat(width) || 0])"""
NOTE_TURNS = """async () => {
  const {waited} = await import('/link.js');
  window.turned = {};
  new MutationObserver(() => {
    turned[document.body.dataset.link] ??= waited();
  }).observe(document.body, {attributes: true}); }"""
"""How old the newest snapshot was when the page first called it stale, and gone."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def driven(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCar]:
    with LiveCar(tmp_path_factory.mktemp("car") / "live.sock", KM) as car:
        yield car


@pytest.fixture
def car(driven: LiveCar) -> Iterator[LiveCar]:
    """The car, put right again after each test."""
    yield driven
    driven.faster_kmh, driven.gps_lost, driven.engine = 0.0, False, dict(HEALTHY)
    driven.recording |= {"ok": True, "dropped": 0}
    driven.resume()
    driven.do(lambda live, t_us: live.command(t_us, "acknowledge", {}))


@pytest.fixture(scope="module")
def served(driven: LiveCar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("serve"), driven.socket) as server:
        yield server


def rounded(value: float | None, places: int) -> str:
    """As a browser rounds."""
    if value is None:
        return "--"
    return str(Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "--"
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def official(seconds: float) -> str:
    """A time that was taken, to the nearest second."""
    return duration(float(rounded(seconds, 0)))


def near(km: float | None) -> str:
    if km is None:
        return "--"
    return f"{rounded(km * 1000, 0)} m" if km < 1 else rounded(km, 2 if km < 100 else 1)


def expected(told: dict[str, Any], view: str) -> dict[str, str]:
    """What a view must read for a snapshot."""
    section = told["section"]
    both = {
        "speed_kmh": rounded(told["speed_kmh"], 0),
        "limit.kmh": rounded(told["limit"]["kmh"], 0),
        "section.average_kmh": rounded(section["average_kmh"], 1),
        "section.distance_km": rounded(section["distance_km"], 2),
    }
    if view == "driver":
        return both | {"next.distance_km": near(told["next"]["distance_km"])}
    trips = {
        f"trip.{number}.{key}": rounded(told["trip"][number][key], places)
        for number in (0, 1)
        for key, places in (("distance_km", 2), ("average_kmh", 1))
    }
    return (
        both
        | trips
        | {
            "section.remaining_km": rounded(section["remaining_km"], 2),
            "section.moving_average_kmh": rounded(section["moving_average_kmh"], 1),
            "section.required_kmh": rounded(section["required_kmh"], 1),
            "section.elapsed_s": duration(section["elapsed_s"]),
            "section.eta_utc": (section["eta_utc"] or "           --")[11:19],
        }
    )


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


@pytest.mark.parametrize("view", ["driver", "navigator"])
@pytest.mark.parametrize("size", SIZES)
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


def test_over_the_limit_is_unmistakable(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url + "/#driver", WIDE) as page:
        fresh(page)
        page.wait_for_selector("#driver .speed:not([data-pace=over])")  # as the test before may have left it
        calm = page.eval_on_selector("#driver .speed", "box => getComputedStyle(box).backgroundColor")
        car.faster_kmh = 200
        page.wait_for_selector("#driver .speed[data-pace=over]")
        notice = page.inner_text("#driver [data-notice]")
        over = [told["limit"]["over_kmh"] for told in list(car.history)]
        assert notice in {f"+{rounded(kmh, 0)}" for kmh in over}
        alarming = page.eval_on_selector("#driver .speed", "box => getComputedStyle(box).backgroundColor")
        assert alarming != calm
        car.faster_kmh = 0
        page.wait_for_selector("#driver .speed:not([data-pace=over])")


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


# -- age ----------------------------------------------------------------------------------------------------


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


# -- the crew acts ------------------------------------------------------------------------------------------


def waits(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, "waited in vain"
        time.sleep(0.02)


def test_an_alarm_is_over_everything_until_it_is_acknowledged(
    browser: Browser, served: Served, car: LiveCar, tmp_path: Path
) -> None:
    with opened(browser, served.url + "/#navigator", SIZES[1]) as page:
        fresh(page)
        page.click("[data-do=section]")
        car.engine["oil_bar"] = 0.2
        car.engine["coolant_c"] = 125.0
        page.wait_for_selector("#alarm:visible")
        until(page, "document.getElementById('alarm-name').innerText.includes('OF 2')")
        for selector in ("#acknowledge", "#alarm-message"):
            covered = page.evaluate(
                """selector => { const box = document.querySelector(selector).getBoundingClientRect();
                const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
                return top.closest('#alarm') === null; }""",
                selector,
            )
            assert not covered
        page.screenshot(path=tmp_path / "alarm.png")
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


def test_theme_view_and_clock_are_remembered(browser: Browser, served: Served, car: LiveCar) -> None:
    with opened(browser, served.url, WIDE) as page:
        fresh(page)
        for key in ("v", "t", "z"):
            page.keyboard.press(key)
        page.goto(served.url + "/")
        fresh(page)
        assert page.get_attribute("body", "data-view") == "driver"
        assert page.get_attribute("body", "data-theme") == "night"
        assert page.inner_text("#zone").startswith("UTC+")


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
