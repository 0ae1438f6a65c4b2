"""Numbers out of the range that a recorder writes."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.errors import LogError
from logger.logfile import value_ranges
from logger.logfile.columns import COLUMNS


def test_every_range_belongs_to_a_numeric_column() -> None:
    declared = {name: column.declared for columns in COLUMNS.values() for name, column in columns.items()}
    assert {declared[name] for name in value_ranges.RANGES} <= {"INTEGER", "REAL"}


def test_a_number_out_of_range_is_unknown() -> None:
    values = np.array([-90.0, 90.0, 90.0001, -np.inf, np.inf, np.nan, 1e308])
    assert value_ranges.set_unknown_nan("lat", values) == 4
    assert np.isfinite(values).tolist() == [True, True, False, False, False, False, False]


@pytest.mark.parametrize("odd", [-1, 2**31, 2**63 - 1, -(2**63)])
def test_a_whole_number_out_of_range_is_named(odd: int) -> None:
    with pytest.raises(LogError, match=f"fix: a row has {odd} as session"):
        value_ranges.require("fix", "session", np.array([1, odd, 2]))


def test_whole_numbers_in_range_pass() -> None:
    value_ranges.require("fix", "session", np.array([0, 2**31 - 1]))
    value_ranges.require("fix", "session", np.array([], dtype=np.int64))
    value_ranges.require("reading", "channel", np.array([2**62]))  # readers skip an unknown channel


def test_a_session_is_only_as_long_as_its_rows_allow() -> None:
    day_us = 86_400_000_000
    value_ranges.require_rows_for(1, day_us, 2)  # a bench test where nothing moves
    value_ranges.require_rows_for(1, 30 * day_us, 30 * 8640)
    with pytest.raises(LogError, match="session 1 lasts 31 days by its times, and has 10 rows"):
        value_ranges.require_rows_for(1, 31 * day_us, 10)
