"""Alarm conditions: grammar, three-valued logic, hysteresis, and error messages."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import ConfigurationError
from logger.stage.conditions import parse


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("x < 13", 12.999, True),
        ("x < 13", 13.0, False),
        ("x <= 13", 13.0, True),
        ("x <= 13", 13.001, False),
        ("x > 110", 110.0, False),
        ("x > 110", 110.001, True),
        ("x >= 110", 110.0, True),
        ("x == 3", 3.0, True),
        ("x == 3", 3.001, False),
        ("x != 3", 3.0, False),
        ("x<-5", -5.1, True),
        ("x > +1e3", 1001.0, True),
        ("x > .5", 0.6, True),
    ],
)
def test_both_sides_of_every_operator(text: str, value: float, holds: bool) -> None:
    assert parse(text).holds({"x": value}) is holds


@pytest.mark.parametrize(
    ("text", "a", "b", "holds"),
    [
        ("a > 0 and b > 0", None, -1.0, False),
        ("a > 0 and b > 0", None, 1.0, None),
        ("a > 0 or b > 0", None, 1.0, True),
        ("a > 0 or b > 0", None, -1.0, None),
        ("a > 0 and b > 0", math.nan, 1.0, None),
        ("a > 0 or a < 0 and b > 5", 1.0, 0.0, True),  # and binds tighter
        ("(a > 0 or a < 0) and b > 5", 1.0, 0.0, False),
    ],
)
def test_unknown_values(text: str, a: float | None, b: float | None, holds: bool | None) -> None:
    assert parse(text).holds({"a": a, "b": b}) is holds


@pytest.mark.parametrize(
    ("text", "slack", "on_until"),
    [("v < 13", 0.3, 13.3), ("v < 13", None, 13.26), ("v > 110", 5.0, 105.0), ("v > 110", None, 107.8)],
)
def test_slack_keeps_a_condition_on(text: str, slack: float | None, on_until: float) -> None:
    condition, toward = parse(text), -0.01 if "<" in text else 0.01
    assert condition.holds({"v": on_until + toward}, slack) is True
    assert condition.holds({"v": on_until - toward}, slack) is False


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "name of a channel"),
        ("rpm", "expected <"),
        ("rpm >", "expected a number"),
        ("rpm > 1000 battery_v < 13", "expected and, or, or the end"),
        ("(rpm > 1", 'expected ")"'),
        ("rpm > 1)", "expected and, or, or the end"),
        ("and > 1", "name of a channel"),
        ("13 < rpm", "name of a channel"),
        ("rpm = 1", "expected <"),
        ("rpm > 1e999", "expected a number"),
        ("rpm > 12.0.1", "expected a number"),
        ("rpm > 0x10", "expected a number"),
        ("__import__('os')", "expected <"),
        ("(" * 50 + "a>1" + ")" * 50, "name of a channel"),
    ],
)
def test_mistakes_are_reported_in_one_line(text: str, says: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"(?s){says.replace('(', '[(]').replace(')', '[)]')}"
    ) as caught:
        parse(text)
    assert "\n" not in str(caught.value)


def test_a_misspelt_channel_suggests_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match='did you mean "battery_v"'):
        parse("batery_v < 13", known={"battery_v", "rpm"})


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text).holds({})
    except ConfigurationError:
        return


_ATOMS = st.tuples(
    st.sampled_from("abc"), st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), st.integers(-3, 3)
)


@given(
    st.recursive(
        _ATOMS.map(lambda atom: f"{atom[0]} {atom[1]} {atom[2]}"),
        lambda inner: st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        max_leaves=8,
    ),
    st.fixed_dictionaries(dict.fromkeys("abc", st.integers(-4, 4).map(float))),
)
def test_known_values_answer_as_python_would(text: str, values: dict[str, float]) -> None:
    assert parse(text).holds(values) is bool(eval(text, {}, values))  # noqa: S307 - our own text, as the judge
