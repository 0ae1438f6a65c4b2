"""Thousands of logs that use up time, and logs that only arrive slowly."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from logger.transfer.retry import Retry
from tests.logger.transfer.hostile_car.lying import ETAG, NAME, SHA, Fetch, listing
from tests.logger.transfer.hostile_server import (
    HostileServer,
    Pieces,
    answer,
    list_of,
    log_named,
)
from tests.logger.transfer.logs_made import closed

pytestmark = pytest.mark.load_sensitive


GONE = answer(b"{}", 404)
VAIN: dict[str, Callable[[int], Pieces]] = {
    "an error, each time just within the silence": lambda _time: [0.25, GONE],
    "a copy that is being made, and then is not": lambda time: [answer(b"{}", 202) if time % 4 else GONE],
    "busy, and then no such log": lambda time: [answer(b"{}", 503) if time % 2 else GONE],
}


@pytest.mark.parametrize("what", VAIN)
def test_ten_thousand_logs_that_use_up_time_end_the_fetch(what: str, fetch: Fetch) -> None:
    times = count(1)
    logs = [log_named(f"{number}.db") for number in range(10_000)]
    with HostileServer(listing(lambda: VAIN[what](next(times)), *logs)) as server:
        done = fetch(server.port)
        assert server.requested("GET") < 100
    assert done.code == 69, done
    assert "almost nothing" in done.err[-1] or "out of reach" in done.err[-1]


WORTHLESS: dict[str, Callable[[bytes], Pieces]] = {
    "a digest that does not match": lambda data: [answer(data, 200, ETAG)],
    "a log that is none": lambda data: [answer(data, 200, f'ETag: "{hashlib.sha256(data).hexdigest()}"')],
}


@pytest.mark.parametrize("what", WORTHLESS)
def test_ten_thousand_worthless_logs_end_the_fetch(what: str, fetch: Fetch, laptop: Path) -> None:
    """They arrive much faster than the minimum rate, so the patience never ends."""
    logs = [log_named(f"{number}.db") for number in range(10_000)]
    body = list_of(*logs)

    def behave(requested: str, _request: bytes) -> Pieces:
        return [body] if requested == "GET /api/logs" else [0.1, *WORTHLESS[what](requested.encode() * 100)]

    with HostileServer(behave) as server:
        done = fetch(server.port)
        assert server.requested("GET") < 60
    assert done.code == 69, done
    assert "worthless" in done.err[-1]
    assert len(list(laptop.iterdir())) < 30


def test_logs_that_arrive_slowly_do_not_end_the_fetch(fetch: Fetch, laptop: Path, tmp_path: Path) -> None:
    """Each takes a third of the time in which nothing may arrive; what arrives gives the time back."""
    data = closed(tmp_path / "made" / NAME, 10).read_bytes()
    etag = f'ETag: "{hashlib.sha256(data).hexdigest()}"'
    logs = [log_named(f"{number}.db") for number in range(5)]
    with HostileServer(listing(lambda: [0.22, answer(data, 200, etag)], *logs)) as server:
        done = fetch(server.port)
    assert done.code == 0, done
    assert {path.read_bytes() for path in laptop.iterdir()} == {data}
    assert len(list(laptop.iterdir())) == len(logs)


def test_the_time_in_which_a_log_is_verified_is_not_the_cars() -> None:
    retry = Retry(0.0, print, "http://car", 0.1)
    assert retry.run(lambda: True)
    time.sleep(0.2)
    assert retry.run(lambda: True)


def test_a_link_in_place_of_a_part_is_not_followed(fetch: Fetch, laptop: Path) -> None:
    other = laptop.parent / "other"
    other.write_bytes(b"mine")
    (laptop / f"{NAME}.{SHA}.part").symlink_to(other)
    with HostileServer(listing(lambda: [answer(b"x" * 100, 200, ETAG)])) as server:
        done = fetch(server.port)
    assert done.code in (69, 74)
    assert other.read_bytes() == b"mine"
