"""A car, and the crew server as a process on a real port, without and with a pin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.field_failures.recorder_process import until
from tests.logger.crew.live_car import LiveCar
from tests.logger.crew.server.stream import KM
from tests.logger.crew.serving import Served, serving


@pytest.fixture(scope="module")
def car(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCar]:
    with LiveCar(tmp_path_factory.mktemp("car") / "live.sock", KM) as driven:
        yield driven


@pytest.fixture(scope="module")
def served(car: LiveCar, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("serve"), car.socket) as server:
        until(lambda: server.ask("/api/live").status == 200)
        yield server
