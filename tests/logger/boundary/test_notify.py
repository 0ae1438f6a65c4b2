"""Notifications arrive at systemd on a real socket, and the watchdog is not fed once a part stops."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.boundary.notify import MAX_STATUS_CHARACTERS, Notifier, Watchdog, from_environment

S = 1_000_000
PERIOD_US = 20 * S


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A listening notification socket, and its address as systemd writes it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"\0stagelog test {os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        listener.settimeout(5)
        yield name.replace("\0", "@"), listener


def test_every_notification_arrives(manager: tuple[str, socket.socket]) -> None:
    address, listener = manager
    with closing(Notifier(address)) as notifier:
        notifier.ready("recording into stage11-1.db")
        notifier.alive()
        notifier.status("gps lost")
        notifier.stopping()
    assert [listener.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=recording into stage11-1.db",
        b"WATCHDOG=1",
        b"STATUS=gps lost",
        b"STOPPING=1",
    ]


def test_a_status_is_one_line_and_is_not_repeated(manager: tuple[str, socket.socket]) -> None:
    address, listener = manager
    with closing(Notifier(address)) as notifier:
        notifier.status("a port\nREADY=1\nMAINPID=1")
        notifier.status("a port\nREADY=1\nMAINPID=1")
        notifier.status("x" * 10_000)
    assert listener.recv(4096) == b"STATUS=a port READY=1 MAINPID=1"
    assert listener.recv(65_536) == b"STATUS=" + b"x" * MAX_STATUS_CHARACTERS


@pytest.mark.parametrize("address", [None, "", "udp:127.0.0.1:9", "/nowhere/at/all"])
def test_without_a_manager_nothing_happens(address: str | None) -> None:
    with closing(Notifier(address)) as notifier:
        notifier.ready()
        notifier.alive()
        notifier.stopping()


def test_a_manager_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, closing(Notifier(address)) as notifier:
        listener.bind(address)
        for _ in range(10_000):  # far more than a socket queues
            notifier.alive()
        listener.setblocking(False)
        assert listener.recv(64) == b"WATCHDOG=1"


def test_readiness_waits_for_room_in_the_queue(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, closing(Notifier(address)) as notifier:
        listener.bind(address)
        listener.settimeout(5)
        for _ in range(10_000):
            notifier.alive()
        saying = threading.Thread(target=notifier.ready)
        saying.start()
        heard = set()
        while b"READY=1" not in heard:
            heard.add(listener.recv(64))
        saying.join()


def test_after_close_nothing_is_sent(manager: tuple[str, socket.socket]) -> None:
    address, listener = manager
    notifier = Notifier(address)
    notifier.close()
    notifier.alive()
    listener.setblocking(False)
    with pytest.raises(BlockingIOError):
        listener.recv(64)


def fed_at(watchdog: Watchdog, pulses: dict[int, dict[str, int]], until_us: int) -> list[int]:
    """The times at which it was fed, checked every tenth of a second; `pulses` change at the times that are their
    keys."""
    now: dict[str, int] = {}
    fed = []
    for t_us in range(0, until_us, S // 10):
        now = now | pulses.get(t_us, {})
        if watchdog.is_due(t_us, now):
            fed.append(t_us)
    return fed


def running(parts: tuple[str, ...], until_us: int, every_us: int = S) -> dict[int, dict[str, int]]:
    """Pulses of parts that cycle at the given interval."""
    return {t_us: dict.fromkeys(parts, t_us) for t_us in range(0, until_us, every_us)}


def test_fed_four_times_a_period_while_all_move() -> None:
    fed = fed_at(Watchdog(PERIOD_US), running(("writer", "port gps"), 60 * S), 60 * S)
    assert fed == list(range(0, 60 * S, PERIOD_US // 4))


@pytest.mark.parametrize("blocked", ["writer", "port gps", "port can"])
def test_one_stuck_part_ends_the_feeding(blocked: str) -> None:
    """systemd acts between 1 and 1.5 periods after the part's last pulse."""
    parts = ("writer", "port gps", "port can")
    stops_us = 30 * S
    pulses = running(parts, 120 * S)
    for t_us, moved in pulses.items():
        if t_us > stops_us:
            del moved[blocked]
    watchdog = Watchdog(PERIOD_US)
    fed = fed_at(watchdog, pulses, 120 * S)
    assert watchdog.stuck == (blocked,)
    assert stops_us <= fed[-1] + PERIOD_US <= stops_us + 1.5 * PERIOD_US


def test_a_card_that_stalls_for_less_than_the_limit_causes_no_restart() -> None:
    pulses = running(("writer",), 20 * S) | {t_us: {"writer": t_us} for t_us in range(30 * S, 60 * S, S)}
    fed = fed_at(Watchdog(PERIOD_US), pulses, 60 * S)
    assert max(later - earlier for earlier, later in pairwise(fed)) < PERIOD_US


def test_the_limit_is_half_a_period() -> None:
    watchdog = Watchdog(PERIOD_US)
    assert watchdog.is_due(0, {"writer": 1})
    assert watchdog.is_due(PERIOD_US // 2, {"writer": 1})
    assert not watchdog.is_due(PERIOD_US // 2 + 1, {"writer": 1})
    assert watchdog.is_due(PERIOD_US, {"writer": 2}), "it moved again"


def test_a_removed_part_is_not_watched() -> None:
    watchdog = Watchdog(PERIOD_US)
    assert watchdog.is_due(0, {"writer": 1, "port gps": 1})
    assert watchdog.is_due(PERIOD_US, {"writer": 2})
    assert watchdog.stuck == ()


def test_a_stuck_part_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    watchdog = Watchdog(PERIOD_US)
    for t_us in range(0, 100 * S, S):
        watchdog.is_due(t_us, {"writer": 7})
    assert [record.message for record in caplog.records] == [
        "writer stands still: the watchdog is not fed until it moves"
    ]


@given(st.lists(st.tuples(st.integers(0, 5 * S), st.integers(0, 3)), min_size=1, max_size=60))
def test_it_is_never_fed_while_a_part_is_over_its_limit(
    steps: list[tuple[int, int]],
) -> None:
    watchdog = Watchdog(PERIOD_US)
    t_us = moved_us = 0
    last = None
    for wait_us, pulse in steps:
        t_us += wait_us
        if pulse != last:
            last, moved_us = pulse, t_us
        fed = watchdog.is_due(t_us, {"writer": pulse})
        assert not fed or t_us - moved_us <= PERIOD_US // 2


def test_the_environment_configures_it(manager: tuple[str, socket.socket]) -> None:
    address, listener = manager
    notifier, watchdog = from_environment(
        {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(PERIOD_US), "WATCHDOG_PID": str(os.getpid())}
    )
    with closing(notifier):
        notifier.ready()
        assert listener.recv(64) == b"READY=1"
        assert watchdog.is_due(0, {})


@pytest.mark.parametrize(
    "environment", [{}, {"WATCHDOG_USEC": "twenty"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}]
)
def test_no_watchdog_is_never_fed(environment: dict[str, str]) -> None:
    notifier, watchdog = from_environment(environment)
    with closing(notifier):
        assert not any(watchdog.is_due(t_us, {}) for t_us in range(0, 100 * S, S))
