"""The rules file: defaults, and a user's own rules over them."""

from __future__ import annotations

import pytest

from logger.stage.rules import default_rules, load
from logger.tomlconfig.schema import TomlError


@pytest.mark.parametrize(
    ("name", "kmh"),
    [("Stock", 170), ("ultimate", 170), ("SSV", 125), ("Challenger", 135), ("Tractor", None), (None, None)],
)
def test_the_limit_of_a_class(name: str | None, kmh: float | None) -> None:
    assert default_rules().class_limit_kmh(name) == kmh


def test_numbers_of_the_published_texts() -> None:
    speed, penalties = default_rules().speed, default_rules().penalties
    assert (speed.approach_m, speed.warn_within_kmh, speed.impulse_s, speed.impulse_m) == (1000, 2, 10, 150)
    assert [(band.over_kmh, band.penalty_s) for band in penalties.bands] == [(6, 10), (None, 120)]


def test_an_own_file_replaces_table_by_table() -> None:
    own = load('[speed]\nimpulse_m = 100\n[[alarm]]\nname = "coolant"\nwhen = "coolant_c > 99"\n', "own.toml")
    brought = default_rules()
    assert own.speed.impulse_m == 100
    assert own.classes == brought.classes
    assert own.penalties == brought.penalties
    assert len(own.alarms) == len(brought.alarms)
    assert {rule.name: str(rule.when) for rule in own.alarms}["coolant"].count("99") == 1


def test_every_mistake_at_once_with_its_line() -> None:
    text = '[speed]\nimpulse_m = 0\n[[alarm]]\nname = "a"\nwhen = "rpm >"\n'
    text += "[[penalties.band]]\nover_kmh = 9\npenalty_s = 1\n"
    text += "[[penalties.band]]\nover_kmh = 6\npenalty_s = 2\n"
    with pytest.raises(TomlError) as caught:
        load(text, "own.toml")
    assert [problem.where for problem in caught.value.problems] == ["own.toml:2", "own.toml:5", "own.toml:6"]
