"""A real Chromium, and what a crew reads in it. Without one the tests skip and say so; in CI that is a failure."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

SIZES = [(1024, 600), (800, 480), (390, 844)]
SCREENS = [*SIZES, (844, 390), (1280, 800)]
"""Car tablets, a phone upright and lying, and a large screen."""
PATIENCE_MS = 60_000
ZONE, ZONE_SHOWN = "Asia/Riyadh", "UTC+3"
"""The time zone of the browser, whatever this machine's is."""
_FONTS = '"Roboto", "Liberation Sans", "Arial"'
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
              "--disable-sync", "--no-first-run"]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, headless."""
    program = shutil.which("chromium")
    missing = "no chromium here" if program is None else ""
    if find_spec("playwright") is None:
        missing = "playwright is not installed"
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing}: the crew page is untested")
    if missing:
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser,
    url: str,
    size: tuple[int, int],
    theme: str = "light",
    font: str = "",
    *,
    touch: bool = False,
) -> Iterator[Page]:
    """The crew page in a window of its own; what the browser complains of fails the test.

    `font` takes the place of the page's own ones, as on a device that has none of them; `touch` makes the screen a
    phone's.
    """
    scheme: Any = theme
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, has_touch=touch, is_mobile=touch,
        timezone_id=ZONE,
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints = listen(page)
    if font:
        page.route("**/crew.css", lambda route: _answer_in(font, route))
    page.goto(url)
    yield page
    context.close()
    assert not complaints


def _answer_in(font: str, route: Route) -> None:
    answer = route.fetch()
    said = answer.text()
    assert _FONTS in said
    route.fulfill(response=answer, body=said.replace(_FONTS, f'"{font}"'))


def listen(page: Page) -> list[str]:
    """What a page's script throws and what the browser refuses it, as it happens."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if _grave(message) else None)
    return complaints


def _grave(message: Any) -> bool:
    """A lost connection or a refusal is in the browser's console too, and no fault of the page."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


def until(page: Page, holds: str, argument: Any = None) -> None:
    """Wait until an expression, or a function of the argument, is true in a page.

    playwright's own `wait_for_function` evaluates texts within the page, and that is what the page's policy forbids.
    """
    began = time.monotonic()
    while not _holds(page, holds, argument):
        assert time.monotonic() - began < PATIENCE_MS / 1000, f"waited in vain for {holds}"
        page.wait_for_timeout(30)


def _holds(page: Page, holds: str, argument: Any) -> bool:
    from playwright.sync_api import Error

    try:
        return bool(page.evaluate(holds, argument))
    except Error as error:
        # One page goes, and the next is not there yet; or the page has not drawn an element yet.
        if "navigation" not in error.message and "properties of null" not in error.message:
            raise
        return False


def snapshot(page: Page) -> dict[str, Any]:
    """The snapshot that a page shows."""
    found: dict[str, Any] = page.evaluate("async () => (await import('/link.js')).state")
    return found


def fresh(page: Page) -> None:
    """Wait until the page shows the present."""
    until(page, "document.body?.dataset.link === 'fresh'")


def texts(page: Page, view: str) -> dict[str, str]:
    """Every bound value of a view as it is read there, all of one moment."""
    found: dict[str, str] = page.evaluate(
        "view => Object.fromEntries([...document.querySelectorAll(`#${view} [data-value]`)]"
        ".map(element => [element.dataset.value, element.innerText]))",
        view,
    )
    return found
