"""Fixtures of the tests of the crew page: one browser, one car that drives, and one crew server per module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.logger.crew.browsing import chromium
from tests.logger.crew.live_car import HEALTHY, LiveCar
from tests.logger.crew.page_reading import KM
from tests.logger.crew.serving import Served, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def driven(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCar]:
    with LiveCar(tmp_path_factory.mktemp("car") / "live.sock", KM) as car:
        yield car


@pytest.fixture
def car(driven: LiveCar) -> Iterator[LiveCar]:
    """The car, put right again after each test."""
    yield driven
    driven.faster_kmh, driven.gps_lost, driven.engine = 0.0, False, dict(HEALTHY)
    driven.recording |= {"ok": True, "dropped": 0}
    driven.resume()
    driven.do(lambda live, t_us: live.command(t_us, "acknowledge", {}))


@pytest.fixture(scope="module")
def served(driven: LiveCar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("serve"), driven.socket) as server:
        yield server
