"""printable(): external text on one line, with every character visible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.printable import MAX_CHARS, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Étape 3 – الحناكية", "Étape 3 – الحناكية"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
        ("a\u2028b\ud800", r"a\u2028b\ud800"),
        (b"\xff", "b'\\xff'"),
        (None, "None"),
        ("Étape\u00a03\u202f: dunes", "Étape 3 : dunes"),
    ],
)
def test_escapes_in_known_texts(text: object, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.slow
@given(st.text())
def test_any_text_is_one_printable_line_that_utf_8_can_write(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    shown.encode()
    assert len(shown) <= 10 * MAX_CHARS


def test_a_long_text_is_cut() -> None:
    assert printable("x" * 10**6) == "x" * MAX_CHARS + "…"
    assert printable("x" * 5, 5) == "x" * 5
