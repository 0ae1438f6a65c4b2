"""F21: eight tabs all update, although a browser allows six connections per server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.figures import Figures
from tests.logger.crew.browsing import chromium, fresh, snapshot, until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.serving import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TABS = 8
STREAMS = "async () => (await import('/link.js')).stream !== null"


@pytest.fixture
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


def _wait_for_updates(page: Page) -> None:
    """Wait until a tab shows a current snapshot, and then a later one."""
    fresh(page)
    before = snapshot(page)["section"]["distance_km"]
    until(page, "async before => (await import('/link.js')).state.section.distance_km > before", before)


def _leaders(pages: list[Page]) -> list[Page]:
    return [page for page in pages if page.evaluate(STREAMS)]


@pytest.mark.load_sensitive
def test_eight_tabs_all_update_and_all_may_command(
    browser: Browser, tmp_path: Path, figures: Figures
) -> None:
    with LiveCar(tmp_path / "live.sock", 1.0) as car, serving(tmp_path, car.socket) as server:
        context = browser.new_context()
        pages = [context.new_page() for _ in range(TABS)]
        for page in pages:
            page.goto(server.url)
        for page in pages:
            _wait_for_updates(page)
        assert len(_leaders(pages)) == 1, "one stream serves them all"
        for page in pages:
            page.keyboard.press("m")
            until(page, "document.getElementById('message').innerText.includes('done')")
        assert len(car.commands) == TABS

        # The tab that has the stream is closed: another one takes over, and all tabs update.
        for _ in range(3):
            (leader,) = _leaders(pages)
            pages.remove(leader)
            leader.close(run_before_unload=False)
            for page in pages:
                _wait_for_updates(page)
            assert len(_leaders(pages)) == 1

        # The server dies and returns: all tabs update again.
        port = server.port
        server.process.kill()
        server.process.wait()
        for page in pages:
            until(page, "document.body.dataset.link === 'gone'")
        with serving(tmp_path, car.socket, port=port):
            for page in pages:
                _wait_for_updates(page)
            assert len(_leaders(pages)) == 1
            context.close()
    figures.note(
        f"{TABS} tabs of a browser: all updated, also after the tab with the stream was closed 3 times"
    )
