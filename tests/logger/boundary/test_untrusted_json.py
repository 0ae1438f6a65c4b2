"""JSON from outside: every fault is a ValueError, in bounded time."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.boundary.untrusted_json import MAX_BYTES, MAX_DEPTH, loads

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_VALUES)
def test_any_json_is_read_back(value: object) -> None:
    text = json.dumps(value)
    try:
        assert loads(text) == value
        assert loads(text.encode()) == value
    except ValueError as error:
        assert "deep" in str(error)


@given(st.text() | st.binary())
def test_nothing_else_is_ever_raised(text: str | bytes) -> None:
    with suppress(ValueError):
        loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "1e999",
        "-1e999",
        "NaN",
        "[Infinity]",
        "1" * 100_000,
        "0." + "1" * 100_000 + "e99999",
        '"' + "\\" * 1_000_001,
        '"' * 1_000_000,
        "",
        b"\xff\xfe",
        b"\x00",
        " " * (MAX_BYTES + 1),
        '[{"a":1},' * 400_000,
    ],
)
def test_harmful_texts_end_at_once(text: str | bytes) -> None:
    begun_s = time.thread_time()
    with pytest.raises(ValueError):
        loads(text)
    assert time.thread_time() - begun_s < 2.0


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    value = {"a": ["[" * 1000, '\\"[{' * 1000], "[": "{" * 100}
    assert loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        (r'{"name": "a\ud800"}', {"name": "a?"}),
        (r'{"\udfff\ud800": [["\uDC00"]]}', {"??": [["?"]]}),
        ('{"name": "\ud800"}', {"name": "?"}),
        (r'["\\\\ud800", "\ud83d\ude00", "é"]', None),
        (r'["\ud83d\ude00\ude00"]', ["\U0001f600?"]),
    ],
)
def test_half_a_surrogate_pair_is_refused_or_replaced(text: str, replaced: object) -> None:
    if replaced is None:
        assert loads(text) == json.loads(text)
    else:
        with pytest.raises(ValueError):
            loads(text)
    found = loads(text, surrogates="replace")
    assert found == (json.loads(text) if replaced is None else replaced)
    json.dumps(found, ensure_ascii=False).encode()


@given(st.text(st.characters(exclude_categories=()), max_size=5), st.booleans())
def test_parsed_json_can_be_written(text: str, is_escaped: bool) -> None:
    document = json.dumps([text], ensure_ascii=is_escaped)
    loads(document, surrogates="replace")[0].encode()
    with suppress(ValueError):
        loads(document)[0].encode()
