"""The page of the logs in a real browser: what it shows, what its keys do, by day and by night, on every size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logger.crew.exports import formats
from logger.logfile.verify import verify
from tests.logger.crew.browsing import SIZES, chromium, opened, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.serving import Served, serving
from tests.logger.transfer.logs_made import being_recorded, closed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.load_sensitive

LIVE, CLOSED = "dakar-2026-11-car-503-001.db", "dakar-2026-10-car-503-001.db"
TOUCH_PX = 64
"""A key that a glove hits."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    closed(folder / "logs" / CLOSED)
    (folder / "logs" / "<img src=x onerror=alert(1)>.db").write_bytes(b"what is no log" * 50)
    with being_recorded(folder / "logs" / LIVE), serving(folder, folder / "live.sock") as server:
        yield server


def listed(page: Page) -> None:
    until(page, "document.querySelectorAll('article').length === 3")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_log_is_there_and_every_key_can_be_hit(
    browser: Browser, served: Served, size: tuple[int, int], theme: str
) -> None:
    with opened(browser, f"{served.url}/logs", size, theme) as page:
        listed(page)
        titles = page.eval_on_selector_all("article h2", "all => all.map(each => each.textContent)")
        assert sorted(titles) == sorted([CLOSED, LIVE, "<img src=x onerror=alert(1)>.db"])
        assert page.evaluate("document.body.dataset.theme") == ("night" if theme == "dark" else "day")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
        keys = page.eval_on_selector_all(
            "a, button", "all => all.map(each => [each.offsetWidth, each.offsetHeight, each.textContent])"
        )
        assert [key for key in keys if min(key[0], key[1]) < TOUCH_PX] == []
        assert len(keys) == 2 + 3 * (2 + len(formats()))


def test_a_log_is_downloaded_by_its_key(browser: Browser, served: Served, tmp_path: Path) -> None:
    with opened(browser, f"{served.url}/logs", SIZES[0]) as page:
        listed(page)
        for name in (CLOSED, LIVE):
            with page.expect_download() as download:
                page.click(f'[data-log="{name}"] [data-do=download]')
            download.value.save_as(tmp_path / name)
            assert download.value.suggested_filename == name
            assert verify(tmp_path / name) == []
        until(page, "document.querySelectorAll('[data-delivered]').length === 2")
        with page.expect_download() as download:
            page.click(f'[data-log="{CLOSED}"] .exports a >> text="CSV"')
        assert download.value.suggested_filename == CLOSED.replace(".db", ".csv")


def test_the_review_opens_and_draws_in_its_sandbox(browser: Browser, served: Served) -> None:
    with opened(browser, f"{served.url}/logs", SIZES[0]) as page:
        listed(page)
        page.click(f'[data-log="{CLOSED}"] [data-do=review]')
        page.wait_for_url("**/review")
        assert page.locator("canvas").count() == 2
        assert page.evaluate("window.origin") == "null", "nothing of this site is within its reach"


def test_the_theme_is_the_crew_pages(browser: Browser, served: Served) -> None:
    with opened(browser, f"{served.url}/logs", SIZES[0]) as page:
        listed(page)
        page.click("#theme")
        page.goto(f"{served.url}/")
        assert page.evaluate("document.body.dataset.theme") == "night"
        page.click("#health")
        page.click('a[href="/logs"]')
        listed(page)
        assert page.evaluate("document.body.dataset.theme") == "night"


def test_a_withheld_log_says_so_and_has_no_keys(browser: Browser, tmp_path: Path) -> None:
    closed(tmp_path / "logs" / CLOSED)
    car = LiveCar(tmp_path / "live.sock", 43.5)
    car.recording["path"] = str(tmp_path / "logs" / LIVE)
    keys = "each => [...each.querySelectorAll('a')].filter(key => key.offsetHeight).length"
    with (
        being_recorded(tmp_path / "logs" / LIVE),
        car,
        serving(tmp_path, car.socket) as server,
        opened(browser, f"{server.url}/logs", SIZES[0], "light") as page,
    ):
        until(page, "[...document.querySelectorAll('.trouble')].some(p => /withheld/.test(p.textContent))")
        assert page.eval_on_selector(f"[data-log='{LIVE}']", keys) == 0
        assert page.eval_on_selector(f"[data-log='{CLOSED}']", keys) == 2 + len(formats())
