"""Any JSON value gives a valid command or a one-line ValueError."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logger.stage import commands
from tests.examples import examples
from tests.logger.stage.test_live_stage import S, stage, until
from tests.logger.stage.truth import follow, shown

NOW_UTC_US = 1_768_446_000_000_000
EDGES = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01",
    "9999-12-31T23:59:59.999999-23:59",
    "00:00",
    "23:59:59",
    "٠٨:١٥",
    "",
    "2026-W03-4",
    "-1",
]


@pytest.mark.parametrize("text", EDGES)
@pytest.mark.parametrize("now_utc_us", [0, NOW_UTC_US, 253_402_300_799_000_000])
def test_a_time_at_the_edge_of_the_calendar_is_a_start_or_one_line(text: str, now_utc_us: int) -> None:
    try:
        due_us = commands.start_utc_us(text, now_utc_us)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert due_us is not None
        assert abs(due_us - now_utc_us) <= 2 * 86_400_000_000


def test_without_utc_a_start_can_be_removed_but_not_set() -> None:
    assert commands.start_utc_us(None, None) is None
    with pytest.raises(ValueError, match="the time is not known yet"):
        commands.start_utc_us("08:15", None)


numbers = st.integers(-(10**400), 10**400) | st.floats() | st.just(10**4000)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=250) | st.sampled_from(EDGES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["index", "utc", "metres", "trip", "km", "note", "name"]


@given(
    st.sampled_from([*commands.COMMANDS, "nothing"]),
    st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), values, max_size=3),
)
@examples(300)
@example("schedule_start", {"utc": EDGES[0]})
@example("schedule_start", {"utc": EDGES[1]})
@example("adjust_distance", {"metres": 10**400})
@example("set_distance", {"km": 10**400, "trip": 1})
@example("start_section", {"index": 10**400})
def test_any_command_is_done_or_refused_in_one_line(name: str, arguments: dict[str, Any]) -> None:
    live = stage()
    follow(live, until(5))
    try:
        live.command(5 * S, name, arguments)
    except ValueError as error:
        assert "\n" not in str(error)
    live.tick(6 * S)
    json.dumps(shown(live, 6 * S), allow_nan=False)
