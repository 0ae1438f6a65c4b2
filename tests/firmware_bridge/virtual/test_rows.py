"""Vectorized rows equal Python's own formatting of each line."""

from __future__ import annotations

from functools import reduce
from operator import xor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.virtual.rows import Rows

NUMBERS = st.lists(st.integers(0, 999_999), min_size=1, max_size=20)


@given(NUMBERS, st.integers(1, 6))
def test_numbers(values: list[int], least: int) -> None:
    lines = Rows(len(values)).text("<").number(np.array(values), 6, least=least).text(">").lines()
    assert lines == [b"<%0*d>" % (least, value) for value in values]


@given(NUMBERS, st.data())
def test_decimals_that_some_rows_do_not_show(values: list[int], data: st.DataObject) -> None:
    shown = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    lines = Rows(len(values)).decimal(np.array(values), 4, 2, shown=np.array(shown)).text(",").lines()
    expected = [
        b"%.2f," % (value / 100) if is_shown else b"," for value, is_shown in zip(values, shown, strict=True)
    ]
    assert lines == expected


@given(NUMBERS)
def test_a_checksum_covers_only_the_present_characters(values: list[int]) -> None:
    rows = Rows(len(values)).text("before").sentence("GPXXX,").number(np.array(values), 6, least=1)
    for value, line in zip(values, rows.end().lines(), strict=True):
        body = b"GPXXX,%d" % value
        assert line == b"before$%s*%02X\r\n" % (body, reduce(xor, body))
