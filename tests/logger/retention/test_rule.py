"""The rule of retention: which logs may be removed, in which order, and how long the room lasts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.retention.rule import STAGE_H, Stored, choose, oldest_first, room_h

MB = 1_000_000


def test_a_quarantined_log_is_older_than_its_replacement() -> None:
    paths = [Path(f"a-{name}") for name in ("002.db", "001.db.damaged-1", "001.db", "001.db.damaged-2")]
    found = oldest_first(Stored(path, 1) for path in paths)
    assert [log.path for log in found] == [paths[n] for n in (1, 3, 2, 0)]


def stored(name: str, utc: int | None = None, size: int = 10, **marks: bool) -> Stored:
    return Stored(Path(f"{name}.db"), size, utc, **{"is_delivered": True, **marks})


def names(logs: list[Stored]) -> list[str]:
    return [log.path.stem for log in logs]


@pytest.mark.parametrize(
    ("logs", "order"),
    [
        ([stored("b-001", 10), stored("a-001", 20)], ["b-001", "a-001"]),
        # Among logs of one name the counter decides, whatever the GPS time.
        ([stored("a-002", 10), stored("a-001", 20)], ["a-001", "a-002"]),
        ([stored("a-10"), stored("a-9"), stored("a-100")], ["a-9", "a-10", "a-100"]),
        # Without GPS a log is as old as its neighbours by counter.
        (
            [stored("a-001", 10), stored("a-002"), stored("a-003", 30), stored("b-001", 20)],
            ["a-001", "a-002", "b-001", "a-003"],
        ),
        ([stored("a-001"), stored("a-002", 10), stored("b-001", 5)], ["b-001", "a-001", "a-002"]),
        # A log of unknown age goes last.
        ([stored("unknown-001"), stored("a-001", 50)], ["a-001", "unknown-001"]),
        ([stored("no counter", 7), stored("a-001", 8)], ["no counter", "a-001"]),
    ],
)
def test_the_oldest_is_known_by_counter_and_gps(logs: list[Stored], order: list[str]) -> None:
    assert names(oldest_first(logs)) == order
    assert names(oldest_first(reversed(logs))) == order


@pytest.mark.parametrize(
    ("marks", "last_resort", "goes"),
    [
        ({"is_delivered": True}, False, True),
        ({"is_delivered": False}, False, False),
        ({"is_delivered": False}, True, True),
        ({"is_delivered": True, "is_protected": True}, True, False),
        ({"is_delivered": False, "is_readable": False}, True, False),
    ],
)
def test_which_logs_may_be_removed(marks: dict[str, bool], last_resort: bool, goes: bool) -> None:
    log = stored("a-001", 1, **marks)
    assert (choose([log], [], 1, last_resort=last_resort) == [log]) is goes
    assert choose([log], [log.path], 1, last_resort=last_resort) == [], "it is being recorded"


def test_only_as_many_as_needed_are_removed_and_the_downloaded_first() -> None:
    logs = [stored("a-001", 1, is_delivered=False), *(stored(f"a-00{n}", n) for n in (2, 3, 4))]
    assert names(choose(logs, [], 15, last_resort=True)) == ["a-002", "a-003"]
    assert names(choose(logs, [], 31, last_resort=True)) == ["a-002", "a-003", "a-004", "a-001"]
    assert names(choose(logs, [], 31, last_resort=False)) == ["a-002", "a-003", "a-004"]
    assert choose(logs, [], 0, last_resort=True) == []


@given(
    st.lists(
        st.builds(
            Stored,
            st.builds(lambda name, n: Path(f"{name}-{n:03d}.db"), st.sampled_from("abc"), st.integers(1, 9)),
            st.integers(0, 100),
            st.none() | st.integers(0, 1000),
            st.booleans(),
            st.booleans(),
            st.booleans(),
        ),
        unique_by=lambda log: log.path,
        max_size=12,
    ),
    st.integers(0, 500),
    st.booleans(),
)
def test_the_rule_holds_for_any_folder(logs: list[Stored], need: int, last_resort: bool) -> None:
    in_use = [log.path for log in logs[:2]]
    chosen = choose(logs, in_use, need, last_resort=last_resort)
    assert not any(log.path in in_use or log.is_protected or not log.is_readable for log in chosen)
    assert last_resort or all(log.is_delivered for log in chosen)
    assert sum(log.size_bytes for log in chosen[:-1]) < max(need, 1)
    assert set(oldest_first(logs)) == set(logs)
    for delivered_too in (True, False):
        counters = [
            log.path.name for log in chosen if log.is_delivered is delivered_too and log.path.name[0] == "a"
        ]
        assert counters == sorted(counters)


@pytest.mark.parametrize(
    ("room", "growth", "largest", "hours"),
    [
        (1000 * MB, 100.0 * MB, 0, 10.0),
        (1000 * MB, None, 0, None),
        (1000 * MB, 0.0, 0, None),
        (1000 * MB, 10.0 * MB, 1000 * MB, STAGE_H),  # in the service park, with room for one more stage
        (-5 * MB, 10.0 * MB, 0, 0.0),
    ],
)
def test_hours_of_room(room: int, growth: float | None, largest: int, hours: float | None) -> None:
    assert room_h(room, growth, largest) == hours
