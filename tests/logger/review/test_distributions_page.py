"""The distributions of the review page in a real browser, compared with numbers computed in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from logger.judgement.driving import STATES
from logger.judgement.report import Report
from logger.review.distributions import NO_COMMON_SAMPLES
from logger.review.html import page
from logger.stage.limits import KMH
from tests.logger import drives
from tests.logger.comparison.compared import review_of
from tests.logger.crew import browsing
from tests.logger.review.conftest import DESK

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page


def results(page: Page, from_km: float, to_km: float) -> dict[str, Any]:
    """What the distributions show of a range, once they show it."""
    page.evaluate("([from, to]) => stagelog.zoom(from, to)", [from_km, to_km])
    page.locator("#distributions").scroll_into_view_if_needed()
    expected = in_view(page, from_km, to_km)
    browsing.until(page, "(expected) => Math.abs(stagelog.distributions.seconds - expected) < 0.5", expected)
    found: dict[str, Any] = page.evaluate("() => stagelog.distributions")
    return found


def in_view(page: Page, from_km: float, to_km: float) -> float:
    seconds: float = page.evaluate(
        """([from, to]) => { const { km, seconds } = stagelog.samples;
            return km.reduce((sum, at, i) => sum + (at >= from && at <= to ? seconds[i] : 0), 0); }""",
        [from_km, to_km],
    )
    return seconds


def test_histogram_excess_and_driver_equal_python(driven_page: Page, driven_report: Report) -> None:
    found = results(driven_page, 0, 14)
    samples, places = driven_report.samples, driven_report.places
    first_run = places.run[samples.at] == 0
    kmh, seconds = places.mps[samples.at][first_run] * KMH, samples.seconds[first_run]
    histogram = found["histogram"]
    assert histogram["key"] == "drive.speed_kmh"
    assert histogram["mean"] == pytest.approx(float((kmh * seconds).sum() / seconds.sum()), rel=1e-3)
    counts, _ = np.histogram(kmh, bins=histogram["edges"], weights=seconds)
    assert histogram["seconds"] == pytest.approx(counts.tolist(), abs=1.0)
    assert sum(histogram["seconds"]) == pytest.approx(float(seconds.sum()), abs=0.5)
    [over] = driven_report.overspeeds
    excess = found["excess"]
    assert excess["edges"] == [0, 1, 6, 10, 20, 40]
    assert sum(excess["seconds"]) == pytest.approx(
        over.duration_s, abs=1.0
    )  # and up to the tolerance before it
    assert excess["seconds"][3] > 0.8 * over.duration_s  # 15 km/h over most of the time
    throttle, brake = (
        next(values for channel, values in samples.channels.items() if channel.name == name)[first_run]
        for name in ("throttle_pct", "brake_bar")
    )
    closed = np.quantile(
        next(values for channel, values in samples.channels.items() if channel.name == "throttle_pct"), 0.01
    )
    moving, pressed, is_open = kmh >= 0.4 * KMH, brake > 2, throttle > closed + 3
    expected = [
        float(seconds[mask].sum())
        for mask in (
            moving & is_open & ~pressed,
            moving & pressed & ~is_open,
            moving & pressed & is_open,
            moving & ~pressed & ~is_open,
            ~moving,
        )
    ]
    assert found["driver"]["classes"] == list(STATES)
    assert found["driver"]["seconds"] == pytest.approx(expected, abs=0.5)
    assert all(seconds > 1 for seconds in (expected[0], expected[1], expected[3], expected[4]))


def test_distributions_follow_the_range(driven_page: Page, driven_report: Report) -> None:
    found = results(driven_page, drives.OVER_KM, drives.OVER_TO_KM)
    samples = driven_report.samples
    km = driven_report.km_of_day(samples.at)
    inside = (km >= drives.OVER_KM) & (km <= drives.OVER_TO_KM)
    kmh = driven_report.places.mps[samples.at][inside] * KMH
    assert found["seconds"] == pytest.approx(float(samples.seconds[inside].sum()), abs=0.5)
    assert found["histogram"]["least"] == pytest.approx(float(kmh.min()), abs=0.5)
    assert found["histogram"]["most"] == pytest.approx(float(kmh.max()), abs=0.5)
    assert f"0:00:{found['seconds']:04.1f} with GPS" in driven_page.inner_text("#distributions")


def test_the_scatter_equals_python(driven_page: Page, driven_report: Report) -> None:
    scatter = results(driven_page, 0, 14)["scatter"]
    samples = driven_report.samples
    inside = (driven_report.places.run[samples.at] == 0) & (samples.seconds > 0)
    kmh = driven_report.places.mps[samples.at][inside] * KMH
    rpm, gear = (
        next(values for channel, values in samples.channels.items() if channel.name == name)[inside]
        for name in ("rpm", "gear")
    )
    known = np.isfinite(rpm)
    assert scatter["count"] == pytest.approx(int(known.sum()), abs=2)
    count = int(known.sum()) - 2  # the last kilometre is rounded to 32 bits
    assert scatter["x"][:count] == pytest.approx(kmh[known][:count].tolist(), abs=0.01)
    assert scatter["y"][:count] == pytest.approx(rpm[known][:count].tolist(), abs=0.1)
    assert scatter["colour"][:count] == gear[known][:count].tolist()
    driven_page.get_by_label("Colour of the dots").select_option("")
    browsing.until(driven_page, "() => stagelog.distributions.scatter.colour.length === 0")
    driven_page.get_by_label("Colour of the dots").select_option("engine.gear")


def test_pedals_read_at_different_times_have_no_shares(chromium: Browser, tmp_path: Path) -> None:
    plan = drives.plan()
    readings = drives.DrivenReadings(plan, every_us=6_000_000, brake_after_us=3_000_000)
    log = drives.write_log(tmp_path / "a.db", drives.fixes(plan, hz=5), readings=readings)
    (tmp_path / "a.html").write_text(page(review_of(log)), encoding="utf-8")
    with browsing.opened(chromium, (tmp_path / "a.html").as_uri(), DESK) as opened:
        results(opened, 0, 14)
        card = opened.locator("#distributions .card", has=opened.get_by_role("heading", name="Driver"))
        assert card.locator(".note").inner_text() == NO_COMMON_SAMPLES
        assert card.locator("tr").count() == 0


INKED = """() => [...document.querySelectorAll("#distributions .drawing canvas[aria-hidden]")].map((canvas) =>
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((v) => v).length)"""


def test_the_cursor_is_marked_in_the_distributions(driven_page: Page) -> None:
    results(driven_page, 0, 14)
    driven_page.evaluate("stagelog.point(7)")
    browsing.until(driven_page, f"() => ({INKED})().every((count) => count > 50)")
    driven_page.evaluate("stagelog.point(null)")
    browsing.until(driven_page, f"() => ({INKED})().every((count) => count === 0)")
