"""The address of the review page shows the same view again, whatever else it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.logger.crew import browsing
from tests.logger.review.engine_page import Drive, choose, lanes, pictured, state

if TYPE_CHECKING:
    from playwright.sync_api import Browser

DESKTOP, PHONE = (1280, 800), (390, 844)
BOOST = "engine.boost_bar"


def test_a_link_shows_the_same_view(chromium: Browser, engine_page: Drive) -> None:
    with browsing.opened(chromium, engine_page.url, DESKTOP) as page:
        choose(page, "boost", into="1")
        page.click("#bar button:has-text('Time')")
        page.evaluate("stagelog.zoom(100, 200); stagelog.pin(120); stagelog.point(180.5)")
        browsing.until(page, "location.hash.includes('180.5')")
        link, shown = page.url, state(page)
        page.reload()
        pictured(page)
        assert state(page) == shown
        assert BOOST in lanes(page)[1]
    with browsing.opened(chromium, link, PHONE, touch=True) as page:
        assert state(page) == shown


BAD = [
    *("%", "by=x", "view=1", "view=9~3", "view=NaN~Infinity", "view=~", "view=-1e308~1e308"),
    *("cursor=", "pin=abc", "cursor=1e999", "lanes=", "lanes=[", "lanes={}", "lanes=7", "lanes=[[]]"),
    *('lanes=[["no.such"]]', 'lanes=[7,null,["__proto__"],[["x"]]]', "lanes=" + "[" * 5000, "x" * 30_000),
    *("<img src=x onerror=alert(1)>", "lanes=" + quote('[["<script>alert(1)</script>"]]')),
]


def test_a_bad_link_is_ignored(chromium: Browser, engine_page: Drive) -> None:
    with browsing.opened(chromium, engine_page.url, DESKTOP) as page:
        usual = state(page)
        assert usual[1] == pytest.approx([0, 14], abs=0.1)
        for fragment in BAD:
            page.goto("about:blank")
            page.goto(f"{engine_page.url}#{fragment}")
            pictured(page)
            if "1e308" not in fragment:  # the whole day is a fair answer to that
                assert state(page) == usual, fragment
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
        page.goto(f"{engine_page.url}#lanes={quote(mixed)}&view=x&pin=3")
        assert lanes(page) == [["engine.rpm"]]
        assert page.evaluate("stagelog.pinned()") == 3
