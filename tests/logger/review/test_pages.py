"""The review's pages in a real browser: linked pointing and zooming, no network requests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from logger.comparison.compare import compare
from logger.demo import simulate
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from logger.review import compare_page, html
from logger.review.judged_page import judged_page
from tests.logger import drives
from tests.logger.crew import browsing
from tests.logger.review.engine_page import pictured, view

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SIZE = (1500, 1000)
PICTURES = Path(__file__).parents[2] / "pictures"


def report(path: Path) -> Report:
    with open_evidence(path, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> list[Report]:
    folder = tmp_path_factory.mktemp("pages")
    seen = [drives.fixes(drives.plan(seconds), hz=2) for seconds in (600, 630)]
    return [report(drives.write_log(folder / f"{at}.db", fixes)) for at, fixes in enumerate(seen)]


def test_a_click_on_an_overspeed_zooms_to_it(
    chromium: Browser, reports: list[Report], tmp_path: Path
) -> None:
    path = tmp_path / "review.html"
    path.write_text(html.page(reports[0]), encoding="utf-8")
    with browsing.opened(chromium, path.as_uri(), SIZE) as page:
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        assert view(page) == pytest.approx((0, 14), abs=0.1)  # the timed section first
        page.click("section:has(h2:text('Over-speeds')) tr[data-from]")
        first, last = view(page)
        assert first < drives.OVER_KM < drives.OVER_TO_KM < last
        assert last - first < 3
        box = page.locator("#lanes").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
        browsing.until(
            page, "document.querySelector(\"[data-row$='limit_kmh'] .cursor\").textContent === '50'"
        )
        page.mouse.wheel(0, -300)
        browsing.until(page, f"stagelog.view()[1] - stagelog.view()[0] < {last - first - 0.1}")
        page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + 60)
        browsing.until(page, "stagelog.view()[1] > 14")
        assert fetched == []


def test_pointing_at_the_track_marks_the_speed(
    chromium: Browser, reports: list[Report], tmp_path: Path
) -> None:
    path = tmp_path / "review.html"
    path.write_text(html.page(reports[0]), encoding="utf-8")
    with browsing.opened(chromium, path.as_uri(), SIZE) as page:
        box = page.locator("#map").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        browsing.until(page, "stagelog.pointed() !== null")
        assert 4 < page.evaluate("stagelog.pointed()") < 10
        pictured(page)
        assert "SS7 km" in page.inner_text("#readout")


def test_the_comparison_shows_each_car(chromium: Browser, reports: list[Report], tmp_path: Path) -> None:
    path = tmp_path / "compare.html"
    path.write_text(compare_page.page(compare(reports)), encoding="utf-8")
    with browsing.opened(chromium, path.as_uri(), SIZE) as page:
        box = page.locator("#lanes").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] - 30, box["y"] + 60)
        browsing.until(
            page,
            "[...document.querySelectorAll('#readings .cursor')].filter(td => td.textContent).length >= 5",
        )
        assert "Sectors" in page.inner_text("body")


@pytest.mark.skipif(
    not os.environ.get("STAGELOG_PICTURES"), reason="STAGELOG_PICTURES=1 makes the README's pictures"
)
@pytest.mark.timeout(1800)  # three cars drive a whole stage
def test_pictures(chromium: Browser, tmp_path: Path) -> None:
    logs = simulate.simulate(simulate.orders("dakar-2026-11", (), 1, 1, None, tmp_path), lambda _share: None)
    price = next(log for log in logs if "-503-" in log.name)
    with open_evidence(price, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        judged = report_of(evidence, rules, connection)
        pages = {"review": judged_page(price, judged, [], connection, None, lambda _share: None)}
    pages["compare"] = compare_page.page(compare([report(log) for log in logs]))
    PICTURES.mkdir(exist_ok=True)
    for name, text in pages.items():
        path = tmp_path / f"{name}.html"
        path.write_text(text, encoding="utf-8")
        with browsing.opened(chromium, path.as_uri(), SIZE) as page:
            first_km = page.evaluate("stagelog.view()[0]")
            if name == "review":  # the over-speed
                page.evaluate(
                    f"stagelog.zoom({first_km + 38}, {first_km + 52}); stagelog.pin({first_km + 43.2})"
                )
            page.evaluate(f"stagelog.point({first_km + 44.9})")
            browsing.until(page, "document.getElementById('readout').textContent.includes('km')")
            page.screenshot(path=PICTURES / f"{name}.png")
