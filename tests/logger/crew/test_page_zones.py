"""Speed zones on the crew page: the countdown to a lower limit goes on to 0 m, then the zone's own state shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.logger.crew.browsing import SCREENS, fresh, opened, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.page_reading import WIDE, rounded, seen
from tests.logger.crew.placed_car import PlacedCar
from tests.logger.crew.serving import Served, serving
from tests.logger.stage.test_limits import ZONED, steady
from tests.logger.stage.test_zone_ahead import COUNTED_M, started

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.load_sensitive

AMBER, RED = "rgb(255, 179, 0)", {"rgb(200, 0, 18)", "rgb(122, 0, 11)"}
BOTH = [
    (0, "dss"),
    (3000, "dz", {"speed_kmh": 90}),
    (4000, "fz"),
    (4000, "dz", {"speed_kmh": 50}),
    (5000, "fz"),
    (8000, "ass"),
]


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


@contextmanager
def placed(folder: Path, marks: Any, kmh: float, *, hidden: bool) -> Iterator[tuple[PlacedCar, str]]:
    """A car that drives at one speed through the marks, and the address of its crew page."""
    with (
        PlacedCar(folder / "live.sock", started(marks, hidden=hidden), steady(kmh)) as car,
        serving(folder, car.socket) as server,
    ):
        yield car, server.url


def colour(page: Page, selector: str) -> str:
    found: str = page.eval_on_selector(selector, "box => getComputedStyle(box).backgroundColor")
    return found


def counted_down(page: Page, view: str, left_m: float) -> None:
    """Check that a view shows the amber countdown to 50 km/h with the metres left."""
    notice = f"#{view} [data-notice]"
    texts = [f"50 in {metres:.0f} m" for metres in (left_m - 2, left_m - 1, left_m, left_m + 1)]
    until(
        page, "([notice, texts]) => texts.includes(document.querySelector(notice).innerText)", [notice, texts]
    )
    assert page.get_attribute(notice, "data-kind") == "ahead"
    amber = {colour(page, notice), colour(page, f"#{view} [data-pace]")}
    assert AMBER in amber
    seen(page, [notice])


@pytest.mark.parametrize("hidden", [False, True], ids=["coordinates", "kilometres"])
def test_the_countdown_goes_on_to_the_zone(browser: Browser, tmp_path: Path, hidden: bool) -> None:
    with (
        placed(tmp_path, ZONED, 108, hidden=hidden) as (car, url),
        opened(browser, f"{url}/#driver", WIDE) as page,
        opened(browser, f"{url}/#navigator", WIDE) as beside,
    ):
        pages = {"driver": page, "navigator": beside}
        car.go_to(2800)
        for shown in pages.values():
            fresh(shown)
        for left_m in COUNTED_M:
            car.go_to(3000 - left_m)
            for view, shown in pages.items():
                counted_down(shown, view, 3000 - car.here_m)
                if left_m < 180:
                    assert shown.get_attribute(f"#{view} [data-pace]", "data-pace") == "near", "time to brake"
                if not hidden and left_m < 90:
                    assert shown.inner_text(f"#{view} [data-also]") == "Free area"
        car.go_to(3012)
        for view, shown in pages.items():
            until(shown, f"document.querySelector('#{view} [data-notice]').innerText === '+58'")
            assert shown.get_attribute(f"#{view} [data-notice]", "data-kind") == "over"
            assert shown.inner_text(f"#{view} .sign") == "50"
            assert colour(shown, f"#{view} [data-pace]") in RED
            assert shown.inner_text(f"#{view} [data-also]") == "Free area"
            size = "box => parseFloat(getComputedStyle(box).fontSize)"
            tolerance, notice = (
                shown.eval_on_selector(f"#{view} [data-{name}]", size) for name in ("also", "notice")
            )
            assert tolerance < notice, "a second, small line"
            seen(shown, [f"#{view} [data-notice]", f"#{view} [data-also]"])


@pytest.mark.parametrize("hidden", [False, True], ids=["coordinates", "kilometres"])
def test_an_overspeed_does_not_hide_the_countdown(browser: Browser, tmp_path: Path, hidden: bool) -> None:
    """Too fast for the 90 that holds, and for the 50 ahead."""
    with (
        placed(tmp_path, BOTH, 108, hidden=hidden) as (car, url),
        opened(browser, f"{url}/#driver", WIDE) as page,
    ):
        for left_m in COUNTED_M[:2]:
            car.go_to(4000 - left_m - 5)
            fresh(page)
            for view in ("driver", "navigator"):
                page.evaluate("view => location.hash = view", view)
                text = f"50 in {4000 - car.here_m:.0f} m"
                until(page, f"document.querySelector('#{view} [data-also]').innerText === '{text}'")
                assert page.inner_text(f"#{view} [data-notice]") == "+18"
                assert colour(page, f"#{view} [data-also]") == AMBER
                seen(page, [f"#{view} [data-notice]", f"#{view} [data-also]"])


@pytest.mark.parametrize("hidden", [False, True], ids=["coordinates", "kilometres"])
def test_a_lower_limit_within_a_zone_is_counted_down(browser: Browser, tmp_path: Path, hidden: bool) -> None:
    with (
        placed(tmp_path, BOTH, 88, hidden=hidden) as (car, url),
        opened(browser, f"{url}/#driver", WIDE) as page,
    ):
        car.go_to(3700)
        fresh(page)
        until(page, "document.querySelector('#driver .sign').innerText === '90'")
        for left_m in COUNTED_M:
            car.go_to(4000 - left_m)
            counted_down(page, "driver", 4000 - car.here_m)
        car.go_to(4012)
        until(page, "document.querySelector('#driver [data-notice]').innerText === '+38'")


@pytest.mark.matrix(3)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SCREENS)
def test_the_countdown_is_whole_on_every_screen(
    browser: Browser, tmp_path: Path, size: tuple[int, int], theme: str
) -> None:
    with (
        placed(tmp_path, ZONED, 108, hidden=False) as (car, url),
        opened(browser, f"{url}/#driver", size, theme) as page,
    ):
        for place_m in (2100, 2960, 3012):
            car.go_to(place_m)
            fresh(page)
            for view in ("driver", "navigator"):
                page.evaluate("view => location.hash = view", view)
                wanted = [f"#{view} [data-notice]", f"#{view} [data-also]", f"#{view} .sign b"]
                text = {2100: "50 in 9", 2960: "50 in ", 3012: "+58"}[place_m]
                until(
                    page,
                    "([view, text]) => document.querySelector(`#${view} [data-notice]`).innerText.startsWith(text)",
                    [view, text],
                )
                seen(page, wanted)
                page.screenshot(path=tmp_path / f"{view}-{place_m}.png")
