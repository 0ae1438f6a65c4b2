"""A line of the live socket is the document, whichever of its parts changed since the last one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from logger.live.encoding import LineEncoder

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "utc": st.text(),
        "section": st.fixed_dictionaries({"name": VALUES, "marks": st.lists(VALUES, max_size=3)}),
        "trace": VALUES,
        "engine": VALUES,
    }
)


@given(st.lists(DOCUMENTS, min_size=1, max_size=5))
def test_each_line_is_its_document(documents: list[dict[str, Any]]) -> None:
    encoder = LineEncoder()
    for document in documents + documents[::-1]:
        line = encoder.line(document)
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        assert json.loads(line) == json.loads(json.dumps(document).encode(errors="backslashreplace"))


def test_a_path_that_is_not_utf8() -> None:
    document = {"section": {"marks": []}, "trace": {}, "recording": {"path": "/logs/\udce9.db"}}
    assert b"/logs/\\udce9.db" in LineEncoder().line(document)
