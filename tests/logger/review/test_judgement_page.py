"""The judgement on the page in a real browser: explained over-speeds, other rules, waypoints, the printed sheet."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from firmware_bridge.records import Fix
from logger.config import configuration as configs
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.provenance import provenance_of
from logger.judgement.report import Report, report_of
from logger.judgement.what_if import what_ifs
from logger.review.html import page as page_of
from logger.stage.rules import load
from tests.logger import drives
from tests.logger.crew import browsing
from tests.logger.hostile_texts import HOSTILE
from tests.logger.review.engine_page import view

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP, PHONE = (1280, 800), (390, 844)
SLOW = load('name = "slow"\n[[class]]\nname = "Stock"\nmax_speed_kmh = 100\n', "slow")
MARKUP = '<b onclick="alert(1)">x</b><img src=x onerror=alert(1)></script><script>alert(1)</script>' + HOSTILE


def hostile_itinerary() -> str:
    text = drives.ITINERARY
    for name in ('"Test"', '"Short"', '"SS7"', '"WPM1"', '"CP1"', '"Fuel"', '"ASS"', '"Home"'):
        text = text.replace(f"= {name}", f"= {json.dumps(name[1:3] + MARKUP)}")
    return text


def astray(fixes: list[Fix], km: tuple[float, float], metres: float) -> list[Fix]:
    """The fixes with those of a stretch shifted east: there the car misses waypoints, or passes them at the edge."""
    first, last = (21.62 + each / 14 * (21.7362 - 21.62) for each in km)
    degrees = metres / 103_500
    return [
        fix._replace(lon=fix.lon + degrees) if fix.lat and fix.lon and first < fix.lat < last else fix
        for fix in fixes
    ]


def written(
    folder: Path,
    name: str,
    fixes: list[Fix],
    *,
    itinerary: str = drives.ITINERARY,
    car: configs.Car = drives.CAR,
) -> tuple[Path, Report]:
    """A page with the drive under a slower class limit, and its report."""
    log = drives.write_log(folder / f"{name}.db", fixes, car, itinerary)
    with open_evidence(log, ReviewOptions(), lambda _done: None) as (evidence, rules, connection):
        report = report_of(evidence, rules, connection)
        slow = dataclasses.replace(SLOW, name=MARKUP if name == "hostile" else SLOW.name)
        others = what_ifs(report, [slow], connection)
        text = page_of(report, connection=connection, what_ifs=others, provenance=provenance_of(log))
    path = folder / f"{name}.html"
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path, report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judgement")


@pytest.fixture(scope="module")
def drive() -> list[Fix]:
    """Once too fast; past WPM1 at 82 m of its 90 m, past CP1 at 300 m."""
    return astray(astray(drives.fixes(drives.plan(600)), (1.5, 2.5), 82), (7.5, 8.5), 300)


@pytest.fixture(scope="module")
def reviewed(folder: Path, drive: list[Fix]) -> tuple[Path, Report]:
    return written(folder, "plain", drive)


def cells(page: Page, table: str, column: int) -> list[str]:
    return page.locator(
        f"section[data-table={table}] tbody tr:not(:has(.why)) td:nth-child({column})"
    ).all_inner_texts()


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_keyboard_opens_an_overspeed(
    chromium: Browser, reviewed: tuple[Path, Report], size: tuple[int, int]
) -> None:
    path, report = reviewed
    with browsing.opened(chromium, path.as_uri(), size) as page:
        fetched: list[str] = []
        page.on("request", lambda request: fetched.append(request.url))
        button = page.locator("section[data-table=overspeeds] button.open")
        assert button.get_attribute("aria-expanded") == "false"
        button.focus()
        page.keyboard.press("Enter")
        why = page.locator(".why")
        assert button.get_attribute("aria-expanded") == "true"
        text = why.inner_text()
        assert (
            "4 impulses over 50 km/h (+1 km/h tolerance), the highest 65.0 km/h: 65.0 - 50 = 15.0 km/h"
            in text
        )
        assert "at least 0:10:00 from 4 impulses: 0:10:00" in text
        assert "speed by the receiver, HDOP 0.9, satellites 11, clock by GPS" in text
        box, inner = why.bounding_box(), page.locator(".zoom canvas").bounding_box()
        assert box is not None and inner is not None
        assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]
        assert inner["width"] > 0.6 * min(size[0], 600)
        assert page.evaluate(_RED_PIXELS) > 200
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # the table of the fixes
        rows = page.locator(".why table tbody tr").all_inner_texts()
        fast = [row for row in rows if "+" in row]
        over = report.overspeeds[0]
        assert len(fast) == pytest.approx(over.duration_s * 5, abs=2)
        assert max(float(row.split()[2]) for row in fast) == over.max_kmh
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # show on lanes and map
        first, last = view(page)
        assert first < over.km < over.km + over.distance_m / 1000 < last < first + 3
        button.click()
        assert page.locator(".why").count() == 0
        assert fetched == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


_RED_PIXELS = """() => {
    const c = document.querySelector(".zoom canvas"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let red = 0;
    for (let i = 0; i < d.length; i += 4) if (d[i] > 180 && d[i + 1] < 80 && d[i + 2] < 80 && d[i + 3] > 200) red++;
    return red;
}"""


def test_other_rules_are_shown_and_are_not_the_verdict(
    chromium: Browser, reviewed: tuple[Path, Report]
) -> None:
    path, report = reviewed
    with browsing.opened(chromium, path.as_uri(), DESKTOP) as page:
        verdict = page.inner_text("#verdict")
        before = page.locator(".tables").all_inner_texts()
        assert verdict == "penalty 0:25:00"
        assert page.locator(".whatif-banner").is_hidden()
        page.select_option("#ruling", "1")
        assert page.inner_text("#verdict").startswith("what if: penalty ")
        banner = page.inner_text(".whatif-banner")
        assert "What if: rally-raid 2026, rallysafe." in banner
        assert "Not the verdict: that is penalty 0:25:00 under rally-raid 2026, bands" in banner
        (cost,) = cells(page, "overspeeds", 6)
        assert cost != "0:10:00"
        assert cells(page, "sections", 4)[0].startswith(f"{900 + float(cost.split()[0]):g}"[:6])  # and CP1
        page.locator("button.open").click()
        assert "m gained over the limit / (50 / 3.6) m/s x 10" in page.inner_text(".why")
        page.select_option("#ruling", "4")  # slow
        slow = page.evaluate("document.querySelectorAll('section[data-table=overspeeds] tbody tr').length")
        assert slow > 20
        assert f"Over-speeds ({slow})" in page.inner_text("section[data-table=overspeeds]")
        page.locator("button.open").nth(slow - 1).click()
        assert "over 100 km/h" in page.inner_text(".why")
        page.select_option("#ruling", "0")
        assert page.inner_text("#verdict") == verdict
        assert page.locator(".tables").all_inner_texts() == before
        assert page.locator(".whatif-banner").is_hidden()
        assert len(report.overspeeds) == 1


def test_a_drive_without_an_overspeed(chromium: Browser, folder: Path) -> None:
    """Other rules find some; going back there are none."""
    path, report = written(folder, "slow_enough", drives.fixes(drives.plan(600, over=False), 2))
    assert report.overspeeds == ()
    with browsing.opened(chromium, path.as_uri(), PHONE) as page:
        heading = page.locator("section[data-table=overspeeds] h2")
        for choice, rows in (("1", 0), ("4", 20), ("0", 0)):
            page.select_option("#ruling", choice)
            count = page.locator("button.open").count()
            assert count >= rows and heading.inner_text() == f"Over-speeds ({count})"
        assert page.inner_text("#verdict") == "penalty none"


def test_waypoints_to_look_at_come_first(chromium: Browser, reviewed: tuple[Path, Report]) -> None:
    with browsing.opened(chromium, reviewed[0].as_uri(), DESKTOP) as page:
        assert cells(page, "odd", 1) == ["CP1", "WPM1"]
        assert cells(page, "odd", 4) == ["missed", "near the edge"]
        assert cells(page, "odd", 5) == ["0:15:00", "-"]
        assert cells(page, "odd", 7) == ["90 m", "90 m"]
        folded = page.locator("section:has(summary:text('Waypoints validated'))")
        assert "(6)" in folded.inner_text() and "DZ 4.00" not in folded.inner_text()
        folded.locator("summary").click()
        assert "DZ 4.00" in folded.inner_text()


@pytest.fixture(scope="module")
def hostile(folder: Path, drive: list[Fix]) -> Path:
    car = configs.Car(71, MARKUP, "Stock", (MARKUP, MARKUP))
    return written(folder, "hostile", drive, itinerary=hostile_itinerary(), car=car)[0]


def test_hostile_names_stay_text(chromium: Browser, hostile: Path) -> None:
    text = hostile.read_text(encoding="utf-8")
    assert text.count("<script") == 2 and "<b " not in text and "<img" not in text
    with browsing.opened(chromium, hostile.as_uri(), PHONE) as page:
        page.locator("button.open").first.click()
        page.locator(".why summary").first.click()
        for choice in range(page.locator("#ruling option").count()):
            page.select_option("#ruling", str(choice))
            page.locator("button.open").first.click()
            assert page.locator("b, img, iframe, a").count() == 0
            assert (
                page.evaluate("[...document.querySelectorAll('*')].some((e) => e.onclick || e.onerror)")
                is False
            )
        page.select_option("#ruling", "4")
        assert "<img src=x onerror=alert(1)>" in page.inner_text(".whatif-banner")


def many(fixes: list[Fix], count: int) -> list[Fix]:
    """The drive with `count` times too fast within its zone: every second of the fixes in turn."""
    begin = next(at for at, fix in enumerate(fixes) if fix.lat is not None and fix.lat > 21.6545)
    changed = list(fixes)
    for at in range(count * 4):
        fix = changed[begin + at]
        changed[begin + at] = fix._replace(speed_mps=(60.0 if at % 4 < 2 else 45.0) / 3.6)
    return changed


@pytest.mark.parametrize("kind", ["plain", "many", "hostile"])
def test_one_page_is_printed(
    chromium: Browser, folder: Path, drive: list[Fix], reviewed: tuple[Path, Report], hostile: Path, kind: str
) -> None:
    path = {"plain": reviewed[0], "hostile": hostile}.get(kind)
    if path is None:
        slow = astray(many(drives.fixes(drives.plan(2000, over=False)), 200), (1.0, 3.0), 900)
        path, report = written(folder, "many", astray(slow, (7.0, 13.5), 900))
        assert len(report.overspeeds) == 200
    with browsing.opened(chromium, path.as_uri(), DESKTOP) as page:
        page.select_option("#ruling", "1")  # the verdict is printed all the same
        page.emulate_media(media="print")
        assert page.locator("main").is_hidden()
        sheet = page.inner_text(".sheet")
        lists = page.evaluate(
            "(() => { const e = document.querySelector('.lists'); return e.scrollHeight - e.clientHeight; })()"
        )
        printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    assert lists <= 0
    for word in (
        "Sections",
        "Over-speeds (",
        "Missed waypoints (",
        "Steward, signature",
        "Reviewed by",
        "Rules",
        "SHA-256 of ",
    ):
        assert word in sheet
    assert ("more in the log" in sheet) == (kind == "many")
    if kind == "plain":
        assert (
            "penalty 0:25:00" in sheet
            and "CP1 (cp)" in sheet
            and provenance_of(folder / "plain.db").files[0].sha256 in sheet
        )
