"""A review page of a drive with an engine, and what its lanes and its table of values show in a browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from click.testing import CliRunner

from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import report_of
from logger.review.verbs import review
from tests.logger import engine_drive
from tests.logger.engine_drive import Floats

if TYPE_CHECKING:
    from playwright.sync_api import Page


@dataclass(frozen=True)
class Drive:
    """A page, and what Python knows of its log: time since the first fix, kilometre and km/h of each fix.

    The first fix was `begin_s` after the log's begin, from which the engine's values count.
    """

    url: str
    begin_s: float
    s: Floats
    km: Floats
    kmh: Floats


def written(folder: Path) -> Drive:
    """Write the log and its page."""
    log, page = folder / "driven.db", folder / "review.html"
    engine_drive.write_log(log)
    done = CliRunner().invoke(review, [str(log), "--signals", "--html", str(page)], standalone_mode=False)
    assert done.return_value == 0, done.output
    with open_evidence(log, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        report = report_of(evidence, rules, connection)
    places, fixes = report.places, evidence.fixes
    driven = (places.run >= 0) & np.isfinite(places.metres)
    base_m = np.array([report.offset_m(run.section) for run in report.day.sections])[places.run[driven]]
    at_s = (fixes.at_us[driven] - fixes.at_us[driven][0]) / 1e6
    km = np.maximum.accumulate(places.metres[driven] + base_m) / 1000
    begin_s = fixes.t_us[driven][0] / 1e6
    return Drive(page.as_uri(), begin_s, at_s, km, places.mps[driven] * 3.6)


def cell(page: Page, row: str, column: str) -> str:
    """A cell of the table of values; `row` ends with the channel's key."""
    return page.locator(f"#readings tr[data-row$='{row}'] td.{column}").first.inner_text().replace("−", "-")


def number(page: Page, row: str, column: str) -> float:
    return float(cell(page, row, column))


def seconds(text: str) -> float:
    sign = -1 if text.startswith("-") else 1
    hours, minutes, rest = text.lstrip("+-").split(":")
    return sign * (int(hours) * 3600 + int(minutes) * 60 + float(rest))


def lanes(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.evaluate("stagelog.lanes()")
    return found


def view(page: Page) -> tuple[float, float]:
    """First and last x of the range in view."""
    first, last = page.evaluate("stagelog.view()")
    return first, last


def pictured(page: Page) -> None:
    """Wait until the picture of all changes is drawn."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def choose(page: Page, *searches: str, into: str = "new") -> None:
    """Put channels into lanes through the list."""
    page.click("#bar button:has-text('Channels')")
    page.locator("#channel-list select").select_option(into)
    for search in searches:
        page.locator("#channel-list input").fill(search)
        page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def state(page: Page) -> Any:
    """Axis, range, cursors and lanes."""
    return page.evaluate(
        "[stagelog.axis(), stagelog.view(), stagelog.pinned(), stagelog.pointed(), stagelog.lanes()]"
    )
