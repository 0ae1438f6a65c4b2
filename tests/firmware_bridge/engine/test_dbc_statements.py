"""DBC statements: a statement on one line is skipped in one step, with the result of the search for each mark."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.engine import dbc_statements
from firmware_bridge.engine.dbc_statements import statements
from tests.examples import examples

PIECES = (
    *(
        "NS_",
        "NS_ :",
        "BS_:",
        "BU_: A",
        "BO_ 1 A: 8 X",
        "SG_ S : 0|8@1+ (1,0)",
        "CM_",
        "BA_",
        "VAL_ 1 S",
        "NS_DESC_",
    ),
    *(
        ";",
        " ",
        " ",
        "\n",
        "\n\n",
        "\t",
        '"a"',
        '"',
        '"a\nBO_ 2 B: 8 X"',
        '"\\',
        '\\"',
        "//",
        "xCM_",
        "CM_x",
        "1",
        "/",
    ),
)


@examples(400)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30))
def test_one_line_in_one_step_equals_mark_by_mark(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = list(statements(text))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dbc_statements, "_REST_OF_LINE", re.compile(r"(?!)"))
        assert found == list(statements(text))
