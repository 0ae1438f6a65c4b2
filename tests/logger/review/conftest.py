"""A review page of a drive with an engine and a background, open in Chromium at the size of a desk and of a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of
from logger.review import html
from logger.review.geojson import read_geojson
from tests.logger import drives
from tests.logger.crew import browsing
from tests.logger.review import engine_page as engine_pages

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESK, PHONE = (1280, 800), (390, 844)
HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def driven_report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    plan = drives.plan()
    path = tmp_path_factory.mktemp("map") / "a.db"
    itinerary = drives.ITINERARY.replace('name = "WPM1"', 'name = "WPM1"\n  clear_m = 250')
    drives.write_log(
        path, drives.fixes(plan, hz=5), itinerary=itinerary, readings=drives.DrivenReadings(plan)
    )
    with open_evidence(path, ReviewOptions(), lambda _share: None) as (evidence, rules, connection):
        return report_of(evidence, rules, connection)


@pytest.fixture(scope="module")
def driven_url(driven_report: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    roads = {
        "type": "FeatureCollection",
        "features": [
            {"type": "LineString", "coordinates": [[40.70, 21.62], [40.78, 21.74]]},
            {
                "type": "Polygon",
                "coordinates": [[[40.75, 21.62], [40.79, 21.62], [40.79, 21.66], [40.75, 21.62]]],
            },
            {
                "type": "Feature",
                "properties": {"name": HOSTILE},
                "geometry": {"type": "Point", "coordinates": [40.73, 21.64]},
            },
        ],
    }
    (folder / "roads.geojson").write_text(json.dumps(roads))
    path = folder / "review.html"
    path.write_text(
        html.page(driven_report, background=read_geojson(folder / "roads.geojson")), encoding="utf-8"
    )
    return path.as_uri()


@pytest.fixture(scope="module")
def engine_page(tmp_path_factory: pytest.TempPathFactory) -> engine_pages.Drive:
    return engine_pages.written(tmp_path_factory.mktemp("lanes"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@pytest.fixture(scope="module", params=[DESK, PHONE], ids=["desk", "phone"])
def driven_page(request: pytest.FixtureRequest, chromium: Browser, driven_url: str) -> Iterator[Page]:
    with browsing.opened(chromium, driven_url, request.param, touch=request.param == PHONE) as opened:
        yield opened
