"""Text formatting of columns: numbers with an exponent, ASCII names."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from logger.export import text
from logger.export.plain_names import ascii_text, unique
from tests.examples import examples


def exponentials(values: list[float]) -> list[str]:
    return text.lines(len(values), [text.exponential(np.array(values), 6), b"\n"]).decode().split()


@examples(50)
@given(st.lists(st.floats(-1e98, 1e98), min_size=1, max_size=20))
def test_a_number_with_exponent_is_as_c_prints_it(values: list[float]) -> None:
    for value, written in zip(values, exponentials(values), strict=True):
        assert len(written) == len("+1.234567E+00")
        assert written[2] == "."
        assert math.isclose(float(written), value, rel_tol=6e-7, abs_tol=1e-98), value


def test_rounding_up_to_the_next_power_of_ten() -> None:
    assert exponentials([9.9999999, -0.099999999, 0.0, 1e-98, 9e-99]) == [
        "+1.000000E+01",
        "-1.000000E-01",
        "+0.000000E+00",
        "+1.000000E-98",
        "+0.000000E+00",
    ]


def test_ascii_text() -> None:
    assert ascii_text("Rübe, Šílený\r\n\x1b[2J Ñandú", 40) == "Rube, Sileny ?[2J Nandu"
    assert ascii_text("ألفا 日本 x", 40) == "???? ?? x"
    assert ascii_text("abc def", 4) == "abc"
    assert ascii_text("ﬃ" * 10_000, 64) == "ffi" * 21 + "f"


def test_unique_names() -> None:
    assert unique(["rpm", "RPM", "rpm", "time", "", "rpm_2"], ["time"]) == [
        *("rpm", "RPM_2", "rpm_3", "time_2", "channel", "rpm_2_2"),
    ]
    assert unique(["x" * 12, "x" * 12], max_chars=12) == ["x" * 12, "x" * 10 + "_2"]


def test_many_equal_names_take_linear_time() -> None:
    names = unique(["a"] * 20_000)
    assert len(set(names)) == 20_000
    assert names[-1] == "a_20000"
