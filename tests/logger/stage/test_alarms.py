"""Alarm states over time: raised, acknowledged, cleared, re-armed; and the default alarms."""

from __future__ import annotations

import pytest

from firmware_bridge.errors import ConfigurationError
from logger.stage.alarms import AlarmRule, Alarms, merged
from logger.stage.declared import Alarm
from logger.stage.rules import default_rules

ALTERNATOR = Alarm(
    "alternator", "battery_v < 13.0", "rpm > 1000", for_s=10, level="critical", rearm=0.3
).rule()


def run(alarms: Alarms, *steps: tuple[float, float | None, float | None]) -> list[tuple[float, str]]:
    """(seconds, volts, rpm) ... -> what changed when."""
    seen = []
    for at_s, volts, rpm in steps:
        changes = alarms.tick(round(at_s * 1e6), {"battery_v": volts, "rpm": rpm})
        seen += [(at_s, change.what) for change in changes]
    return seen


@pytest.mark.parametrize(
    ("steps", "changes"),
    [
        ([(0, 12.9, 2000), (9.99, 12.9, 2000)], []),
        ([(0, 12.9, 2000), (10, 12.9, 2000)], [(10, "raised")]),
        ([(0, 13.0, 2000), (20, 13.0, 2000)], []),
        ([(0, 12.0, 1000), (20, 12.0, 1000)], []),  # not qualified: idling
        (
            [(0, 12.9, 2000), (5, 13.1, 2000), (6, 12.9, 2000), (15, 12.9, 2000)],
            [],
        ),  # interrupted: the delay starts again
        ([(0, 12.9, 2000), (5, None, 2000), (10, 12.9, 2000)], []),  # not known in between
        ([(0, 12.9, 2000), (10, 12.9, 2000), (11, 13.2, 2000)], [(10, "raised")]),  # within the slack
        ([(0, 12.9, 2000), (10, 12.9, 2000), (11, 13.3, 2000)], [(10, "raised"), (11, "cleared")]),
        ([(0, 12.9, 2000), (10, 12.9, 2000), (11, 12.9, 800)], [(10, "raised"), (11, "cleared")]),
        ([(0, 12.9, 2000), (10, 12.9, 2000), (99, None, None)], [(10, "raised")]),  # silence is no news
    ],
)
def test_qualified_in_time_with_hysteresis(
    steps: list[tuple[float, float | None, float | None]], changes: list[tuple[float, str]]
) -> None:
    assert run(Alarms([ALTERNATOR]), *steps) == changes


def test_an_acknowledged_alarm_stays_until_cleared_and_can_be_raised_again() -> None:
    alarms = Alarms([ALTERNATOR])
    run(alarms, (0, 12.0, 2000), (10, 12.0, 2000))
    assert [change.what for change in alarms.acknowledge("alternator")] == ["acknowledged"]
    assert alarms.acknowledge("alternator") == []
    assert [raised.acknowledged for _, raised in alarms.raised()] == [True]
    assert run(alarms, (20, 14.0, 2000), (30, 12.0, 2000), (40, 12.0, 2000)) == [
        (20, "cleared"),
        (40, "raised"),
    ]
    assert [raised.acknowledged for _, raised in alarms.raised()] == [False]


def test_a_latched_alarm_waits_for_the_crew() -> None:
    alarms = Alarms([Alarm("oil", "battery_v < 1", latch=True).rule()])
    assert run(alarms, (0, 0.5, None), (1, 5.0, None), (2, 0.5, None), (3, 5.0, None)) == [(0, "raised")]
    assert len(alarms.raised()) == 1
    alarms.acknowledge(None)
    assert alarms.raised() == []
    assert run(alarms, (4, 0.5, None)) == [(4, "raised")]


def test_state_resumes_and_forgets_rules_that_are_gone() -> None:
    alarms = Alarms([ALTERNATOR])
    run(alarms, (0, 12.0, 2000), (10, 12.0, 2000))
    alarms.acknowledge(None)
    again, other = Alarms([ALTERNATOR]), Alarms([Alarm("other", "x > 1").rule()])
    again.resume(alarms.state())
    other.resume(alarms.state())
    assert again.raised() == alarms.raised()
    assert other.raised() == []
    assert run(again, (12, 14.0, 2000)) == [(12, "cleared")]


def test_unacknowledged_and_critical_alarms_come_first() -> None:
    rules = [
        Alarm("a", "x > 0", level="info").rule(),
        Alarm("b", "x > 0", level="critical").rule(),
        Alarm("c", "x > 0").rule(),
    ]
    alarms = Alarms(rules)
    alarms.tick(0, {"x": 1.0})
    alarms.acknowledge("b")
    assert [rule.name for rule, _ in alarms.raised()] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("name", "bad", "good", "after_s"),
    [
        ("alternator", {"battery_v": 12.4, "rpm": 3000.0}, {"battery_v": 14.1, "rpm": 3000.0}, 10),
        ("coolant", {"coolant_c": 111.0}, {"coolant_c": 104.0}, 5),
        ("oil pressure", {"oil_bar": 0.5, "rpm": 3000.0}, {"oil_bar": 3.0, "rpm": 3000.0}, 2),
        ("gps lost", {"gps_age_s": 3.1}, {"gps_age_s": 0.1}, 0),
        ("can lost", {"can_age_s": 3.1}, {"can_age_s": 0.1}, 0),
        ("log", {"writer_lag_s": 2.1}, {"writer_lag_s": 0.1}, 0),
        ("disk", {"disk_room_h": 7.5}, {"disk_room_h": 9.5}, 5),
        ("disk full", {"disk_free_mb": 100.0}, {"disk_free_mb": 900.0}, 5),
        ("clock", {"clock_error_s": 0.6}, {"clock_error_s": 0.1}, 10),
    ],
)
def test_the_default_alarms(
    name: str, bad: dict[str, float | None], good: dict[str, float | None], after_s: int
) -> None:
    alarms = Alarms(default_rules().alarms)
    assert alarms.tick(0, good) == []
    first = alarms.tick(1_000_000, bad)
    later = alarms.tick(1_000_000 + after_s * 1_000_000, bad)
    assert [(change.what, change.rule.name) for change in first + later] == [("raised", name)]
    alarms.acknowledge(None)
    alarms.tick(60_000_000, good)
    assert alarms.raised() == []


def test_own_alarms_replace_those_of_their_name() -> None:
    own = Alarm("coolant", "coolant_c > 100").rule()
    rules: tuple[AlarmRule, ...] = merged(
        default_rules().alarms, [own, Alarm("fuel", "fuel_pct < 10").rule()]
    )
    assert len(rules) == len(default_rules().alarms) + 1
    assert next(rule for rule in rules if rule.name == "coolant") is own


def test_a_wrong_condition_is_refused_when_it_is_read() -> None:
    with pytest.raises(ConfigurationError):
        Alarm("x", "rpm >").rule()
    with pytest.raises(ConfigurationError):
        Alarm("x", "rpm > 1", "rpm <").rule()
