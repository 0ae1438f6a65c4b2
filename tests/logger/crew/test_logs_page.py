"""The page of the logs in a real browser: what it shows, what its keys do, by day and by night, on every size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logger.crew.compliance import WITHHELD
from logger.crew.exports import formats
from logger.export.formats import FORMATS
from logger.logfile.verify import verify
from logger.retention.log_directory import is_protected
from logger.transfer import ledger
from logger.transfer.state import state_of
from tests.logger.crew.browsing import SIZES, opened, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.serving import EVERYWHERE, PIN, Served, serving
from tests.logger.crew.test_texts import texts
from tests.logger.transfer.logs_made import being_recorded, closed

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.load_sensitive

LIVE, CLOSED = "dakar-2026-11-car-503-001.db", "dakar-2026-10-car-503-001.db"
TOUCH_PX = 64
"""A key that a glove hits."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("page")
    closed(folder / "logs" / CLOSED)
    (folder / "logs" / "<img src=x onerror=alert(1)>.db").write_bytes(b"what is no log" * 50)
    with being_recorded(folder / "logs" / LIVE), serving(folder, folder / "live.sock") as server:
        yield server


def listed(page: Page) -> None:
    until(page, "document.querySelectorAll('article').length === 3")


def titles(page: Page) -> list[str]:
    """The names of the logs, as they stand on the page."""
    found: list[str] = page.eval_on_selector_all("article h2", "all => all.map(each => each.textContent)")
    return found


@pytest.mark.matrix(3)
@pytest.mark.parametrize("language", ["en", "de", "ar"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_log_is_there_and_every_key_can_be_hit(
    browser: Browser, served: Served, size: tuple[int, int], theme: str, language: str, tmp_path: Path
) -> None:
    with opened(browser, f"{served.url}/logs", size, theme) as page:
        page.evaluate("language => localStorage.setItem('language', language)", language)
        page.reload()
        listed(page)
        assert page.get_attribute("html", "lang") == language
        assert sorted(titles(page)) == sorted([CLOSED, LIVE, "<img src=x onerror=alert(1)>.db"])
        assert page.evaluate("document.body.dataset.theme") == ("night" if theme == "dark" else "day")
        for menu in page.locator("[data-do=exports]").all():
            menu.click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
        keys = page.eval_on_selector_all(
            "a, button",
            "all => all.map(each => [each.offsetWidth, each.offsetHeight, each.scrollWidth <= each.clientWidth])",
        )
        assert [key for key in keys if min(key[0], key[1]) < TOUCH_PX or not key[2]] == []
        assert len(keys) == 3 + 3 * (4 + len(formats()))
        page.screenshot(path=tmp_path / "logs.png", full_page=True)


def test_download_and_review_come_first_and_exports_say_what_opens_them(
    browser: Browser, served: Served
) -> None:
    with opened(browser, f"{served.url}/logs", SIZES[1]) as page:
        listed(page)
        card = page.locator(f'[data-log="{CLOSED}"]')
        assert card.locator("nav > *").all_inner_texts() == [
            "Download", "Review", "Not protected\nProtect", "Export"]  # fmt: skip
        assert not card.locator(".exports").is_visible()
        card.locator("[data-do=exports]").click()
        rows = [row.split("\n") for row in card.locator(".exports a").all_inner_texts()]
        assert rows == [[name.upper(), FORMATS[name].opens_in] for name in formats()]
        with page.expect_download() as download:
            card.locator(".exports a", has_text="CSV").click()
        assert download.value.suggested_filename == CLOSED.replace(".db", ".csv")
        card.locator("[data-do=exports]").click()
        assert not card.locator(".exports").is_visible()


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
        assert page.inner_text(f'[data-log="{CLOSED}"] .state') == "closed · delivered"


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
        assert page.inner_text("#theme").split("\n") == ["Day", "Night"]
        page.click("#theme")
        page.goto(f"{served.url}/")
        assert page.evaluate("document.body.dataset.theme") == "night"
        page.click("#lost")  # there is no recorder: its words are over the state of the links
        page.click('dialog[open] a[href="/logs"]')
        listed(page)
        assert page.evaluate("document.body.dataset.theme") == "night"


@pytest.fixture
def car(tmp_path: Path) -> Iterator[LiveCar]:
    """A car in a timed section, whose recorder writes one log; another is closed, a third is damaged."""
    closed(tmp_path / "logs" / CLOSED)
    (tmp_path / "logs" / "broken.db").write_bytes(b"what is no log" * 50)
    with being_recorded(tmp_path / "logs" / LIVE), LiveCar(tmp_path / "live.sock", 43.5) as driven:
        driven.logs = tmp_path / "logs"
        driven.recording["path"] = str(tmp_path / "logs" / LIVE)
        yield driven


def test_a_withheld_log_says_so_and_cannot_be_had(browser: Browser, car: LiveCar, tmp_path: Path) -> None:
    keys = "each => [...each.querySelectorAll('a, button')].filter(key => key.offsetHeight).map(key => key.dataset.do)"
    with serving(tmp_path, car.socket) as server, opened(browser, f"{server.url}/logs", SIZES[0]) as page:
        until(page, "[...document.querySelectorAll('.trouble')].some(p => /withheld/.test(p.textContent))")
        assert page.eval_on_selector(f"[data-log='{LIVE}']", keys) == ["protect"]
        assert page.eval_on_selector(f"[data-log='{CLOSED}']", keys) == [
            "download",
            "review",
            "protect",
            "exports",
        ]


def test_a_log_is_protected_on_the_page(browser: Browser, car: LiveCar, tmp_path: Path) -> None:
    key = f"[data-log='{CLOSED}'] [data-do=protect]"
    reads = "([key, shown]) => document.querySelector(key)?.innerText === shown"
    with serving(tmp_path, car.socket) as server, opened(browser, f"{server.url}/logs", SIZES[0]) as page:
        until(page, reads, [key, "Not protected\nProtect"])
        page.click(key)
        until(page, reads, [key, "Protected\nUnprotect"])
        assert is_protected(tmp_path / "logs" / CLOSED)
        assert car.commands == [{"command": "protect", "log": CLOSED, "on": True}]
        page.click(key)
        until(page, reads, [key, "Not protected\nProtect"])
        assert not is_protected(tmp_path / "logs" / CLOSED)
        (tmp_path / "logs" / CLOSED).unlink()
        page.click(key)
        until(page, "document.getElementById('message').textContent === 'protect: no such log'")
        car.disconnect()
        page.click(f"[data-log='{LIVE}'] [data-do=protect]")
        until(page, "document.getElementById('message').textContent.startsWith('the recorder is not there')")


def test_another_site_cannot_protect(car: LiveCar, tmp_path: Path) -> None:
    order = {"command": "protect", "log": CLOSED, "on": True}
    with serving(tmp_path, car.socket, host=EVERYWHERE, pin=PIN) as server:
        assert server.command(order).status == 401
        assert server.command(order, {"origin": "http://evil.example"}).status == 403
        assert not is_protected(tmp_path / "logs" / CLOSED)
        assert server.command(order, {"authorization": f"Bearer {PIN}"}).status == 200
        assert is_protected(tmp_path / "logs" / CLOSED)


def test_all_that_is_new_is_downloaded_one_after_the_other(
    browser: Browser, car: LiveCar, tmp_path: Path
) -> None:
    """The log that is being recorded and the damaged one stay; each of the others arrives whole and is delivered."""
    names = [CLOSED, "dakar-2026-08-car-503-001.db", "dakar-2026-09-car-503-001.db"]
    for name in names[1:]:
        closed(tmp_path / "logs" / name, boot_id=name)
    with serving(tmp_path, car.socket) as server, opened(browser, f"{server.url}/logs", SIZES[1]) as page:
        until(page, "document.querySelector('#new').textContent === 'Download all new: 3'")
        got: list[str] = []
        page.on("download", lambda download: got.append(download.suggested_filename))
        page.click("#new")
        until(page, "document.querySelector('#progress').textContent.startsWith('Delivered: 3 of 3')")
        assert sorted(got) == sorted(names)
        assert "broken.db" in page.inner_text("#progress")
        assert page.inner_text("#new") == "Nothing new"
        assert page.locator("[data-delivered]").count() == 3
        assert {line.name for line in ledger.read(tmp_path / "state")} == set(names)


def test_a_log_that_did_not_arrive_is_named(browser: Browser, car: LiveCar, tmp_path: Path) -> None:
    """One of the two is removed before its turn; the page says so and goes on with the other."""
    other = "dakar-2026-09-car-503-001.db"
    closed(tmp_path / "logs" / other, boot_id=other)
    with serving(tmp_path, car.socket) as server, opened(browser, f"{server.url}/logs", SIZES[1]) as page:
        until(page, "document.querySelector('#new').textContent === 'Download all new: 2'")
        before = server.ask("/api/logs").body
        page.route("**/api/logs", lambda route: route.fulfill(body=before, content_type="application/json"))
        (tmp_path / "logs" / CLOSED).unlink()
        page.click("#new")
        page.unroute("**/api/logs")
        until(page, "document.querySelector('#progress').textContent.startsWith('Delivered: 1 of 2')")
        assert page.inner_text("#progress").split("\n")[1] == f"Not delivered: {CLOSED}"
        assert page.inner_text("#new") == "Nothing new"
        closed(tmp_path / "logs" / CLOSED)
        until(page, "document.querySelector('#new').textContent === 'Download all new: 1'")
        page.context.set_offline(True)
        page.click("#new")
        until(page, "document.querySelector('#new').textContent === 'Stop'")
        page.click("#new")
        until(page, "document.querySelector('#new').textContent === 'Download all new: 1'")


def test_the_stick_is_told_of(browser: Browser, car: LiveCar, tmp_path: Path) -> None:
    """What it does now, from the live state; which log it received last, from the record beside the logs."""
    path = tmp_path / "logs" / CLOSED
    with serving(tmp_path, car.socket) as server, opened(browser, f"{server.url}/logs", SIZES[1]) as page:
        until(page, "document.querySelectorAll('article').length === 3")
        assert page.inner_text("#stick") == ""
        car.stick = {"state": "copying", "detail": f"1 of 1: {CLOSED}, 40%", "age_s": 0.1}
        until(page, "document.getElementById('stick').innerText.includes('40%')")
        assert page.inner_text("#stick") == f"STICK: wait · 1 of 1: {CLOSED}, 40%"
        line = ledger.Delivered.now(CLOSED, state_of(path), path.stat().st_size, "ab")
        ledger.add(tmp_path / "logs", line)
        car.stick = {"state": None, "detail": None, "age_s": None}
        until(page, "document.getElementById('stick').innerText.startsWith('Last on a USB stick: ')")
        assert (
            page.inner_text("#stick")
            == f"Last on a USB stick: {CLOSED}, {line.utc[:16].replace('T', ' ')} UTC"
        )
        assert page.inner_text(f"[data-log='{CLOSED}'] .state") == "closed · delivered"


def test_the_reason_of_withholding_has_a_text() -> None:
    assert texts("en")["log.withheld"] == WITHHELD
