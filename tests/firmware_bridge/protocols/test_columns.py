"""Blocks of equal records cut into columns."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.protocols.columns import datas, numbers


@given(st.integers(1, 300), st.integers(0, 3), st.integers(0, 8), st.randoms(use_true_random=False))
def test_columns_are_the_fields_of_each_record(count: int, before: int, length: int, random: object) -> None:
    records = [random.randbytes(before + 4 + length + 1) for _ in range(count)]  # type: ignore[attr-defined]
    size, block = before + 4 + length + 1, b"".join(records)
    assert datas(block, size, before + 4, length) == [record[before + 4 : -1] for record in records]
    for code in ("<I", ">I"):
        expected = [struct.unpack_from(code, record, before)[0] for record in records]
        assert list(numbers(block, size, before, code)) == expected
