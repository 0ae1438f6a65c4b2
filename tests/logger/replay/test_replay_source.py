"""Reading a session back from a log: the user's own alarms, whichever version wrote the configuration."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from logger.logfile import schema
from logger.replay import replay_source
from logger.stage.declared import Alarm

ALARM = '[[alarm]]\nname = "oil"\nwhen = "oil_bar < 1"\nwhile = "rpm > 900"\n'


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as opened:
        schema.prepare(opened)
        yield opened


def ran_under(connection: sqlite3.Connection, config: str | None) -> int:
    row = connection.execute("INSERT INTO session (config) VALUES (?)", (config,))
    assert row.lastrowid is not None
    return row.lastrowid


@pytest.mark.parametrize("others", ["", '[gps]\nport = "gps"\n', "[radar]\nrange_km = 3\n"])
def test_own_alarms_are_read_from_any_configuration(connection: sqlite3.Connection, others: str) -> None:
    assert replay_source.own_alarms(connection, ran_under(connection, ALARM + others)) == (
        Alarm("oil", "oil_bar < 1", "rpm > 900"),
    )


@pytest.mark.parametrize("config", [None, ""])
def test_no_configuration_no_own_alarms(connection: sqlite3.Connection, config: str | None) -> None:
    assert replay_source.own_alarms(connection, ran_under(connection, config)) == ()


@pytest.mark.parametrize("config", ["[[alarm", ALARM + "colour = 3\n", ALARM.replace("oil_bar <", "oil_bar")])
def test_unreadable_alarms_are_reported_and_left_out(
    connection: sqlite3.Connection, config: str, caplog: pytest.LogCaptureFixture
) -> None:
    session = ran_under(connection, config)
    assert replay_source.own_alarms(connection, session) == ()
    assert f"session {session}" in caplog.text
