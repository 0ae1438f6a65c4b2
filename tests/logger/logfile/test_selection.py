"""The rows of a selection, and their UTC."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.errors import LogError
from logger.logfile.selection import Clock, Moment, Span, moment, select
from tests.logger.export.logs_made import BEGIN_US, make, opened

DAY = (2026, 1, 15)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-15T08:30", datetime(*DAY, 8, 30, tzinfo=UTC)),
        ("2026-01-15 08:30:01.5Z", datetime(*DAY, 8, 30, 1, 500_000, tzinfo=UTC)),
        ("2026-01-15T11:30+03:00", datetime(*DAY, 11, 30, tzinfo=timezone(timedelta(hours=3)))),
        ("8:30", time(8, 30)),
        ("08:30:01", time(8, 30, 1)),
    ],
)
def test_moments_as_people_write_them(text: str, meant: Moment) -> None:
    assert moment(text) == meant


@pytest.mark.parametrize("text", ["", "noon", "25:00", "08:61", "8", "2026-02-30T08:30", "08:30Z"])
def test_invalid_moments(text: str) -> None:
    with pytest.raises(ValueError):
        moment(text)


def test_the_newest_clock_row_applies_and_the_first_before_it(log: Path) -> None:
    with opened(log) as connection:
        clock = Clock(connection)
    at = np.array([0, 3_250_000, 63_249_999, 63_250_000, 10**12], dtype=np.int64)
    expected = BEGIN_US + at + np.array([0, 0, 0, 20_000, 20_000])
    assert clock.utc(np.ones(5, dtype=np.int64), at).astype(np.int64).tolist() == expected.tolist()
    assert np.isnat(clock.utc(np.full(5, 2), at)).all()


def test_from_and_to_are_both_included(log: Path) -> None:
    with opened(log) as connection:
        chosen = select(connection, moment("07:20:10"), moment("2026-01-15T07:20:20Z"))
        assert chosen.spans == (Span(1, 10_000_000, 20_000_000),)
        assert select(connection, moment("07:21:03.26"), moment("07:21:10")).spans == (
            Span(1, 63_250_000, 69_980_000),
        )
        assert chosen.condition == "(session = 1 AND t_us BETWEEN 10000000 AND 20000000)"


def test_a_section_begins_and_ends_with_its_events(log: Path) -> None:
    with opened(log) as connection:
        assert select(connection, section=1).spans == (
            Span(1, 19_600_000, 149_300_000),
            Span(2, 19_600_000, 149_300_000),
        )
        both = select(connection, moment("07:20:00"), moment("07:20:30"), section=1)
        assert both.spans == (Span(1, 19_600_000, 30_000_000),)


@pytest.mark.parametrize(
    ("first", "last", "section", "expected"),
    [
        ("09:00", None, None, "it covers 2026-01-15 07:20:00"),
        ("07:20:10", "07:20:05", None, "no rows between"),
        (None, None, 9, "sections in the log: 1, 2"),
        ("07:20:00", "07:20:10", 1, "leave out the times"),
    ],
)
def test_an_empty_selection_is_one_line(
    log: Path, first: str | None, last: str | None, section: int | None, expected: str
) -> None:
    with opened(log) as connection, pytest.raises(LogError) as caught:
        select(connection, moment(first) if first else None, moment(last) if last else None, section)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_log_without_gps_time(timeless: Path) -> None:
    with opened(timeless) as connection:
        with pytest.raises(LogError, match="no GPS time"):
            select(connection, moment("08:00"))
        assert len(select(connection, section=2).spans or ()) == 2


def test_the_rows_of_many_sessions_each_have_their_own_time(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO clock VALUES (3, 0, 1768461600000000, 1000, 'gps')")
    with opened(path) as connection:
        clock = select(connection).clock
    session = np.array([3, 1, 2, 3, 1])
    t_us = np.array([5, 4_000_000, 6, 7, 3_250_000])
    mixed = clock.utc(session, t_us)
    alone = np.concatenate([clock.utc(session[at : at + 1], t_us[at : at + 1]) for at in range(5)])
    assert mixed.astype(str).tolist() == alone.astype(str).tolist()
    assert np.isnat(mixed).tolist() == [False, False, True, False, False]
    assert not len(clock.utc(session[:0], t_us[:0]))
