"""Range and version headers as tables: satisfiable, ignored, unsatisfiable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.crew.ranges import UnsatisfiableError, digest_header, requested_range, requested_versions, tags

SIZE = 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("bytes=0-", range(1000)),
        ("bytes=0-0", range(1)),
        ("bytes=1-2", range(1, 3)),
        ("bytes=999-", range(999, 1000)),
        ("bytes=999-5000", range(999, 1000)),
        ("bytes=0-99999999999999999999999999", range(1000)),
        ("bytes=-1", range(999, 1000)),
        ("bytes=-1000", range(1000)),
        ("bytes=-99999999999999999999999999", range(1000)),
        ("bytes = 5-6", range(5, 7)),
        # ignored: the whole file is sent
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=2-1", None),
        ("bytes=a-b", None),
        ("bytes=0-1,5-6", None),
        ("bytes=0x10-", None),
        ("bytes=+1-2", None),
        ("bytes=--1", None),
        ("lines=0-1", None),
        ("bytes=1-2;", None),
        ("bytes=\u0661-", None),
    ],
)
def test_a_range_header_is_parsed(text: str | None, expected: range | None) -> None:
    assert requested_range(text, SIZE) == expected


@pytest.mark.parametrize("text", ["bytes=1000-", "bytes=99999999999999999999999-", "bytes=-0"])
def test_a_range_beyond_the_end_is_unsatisfiable(text: str) -> None:
    with pytest.raises(UnsatisfiableError):
        requested_range(text, SIZE)


def test_no_range_of_an_empty_file_is_satisfiable() -> None:
    for text in ("bytes=0-", "bytes=-5"):
        with pytest.raises(UnsatisfiableError):
            requested_range(text, 0)
    assert requested_range(None, 0) is None


@given(st.text(max_size=60) | st.from_regex(r"bytes=\d*-\d*", fullmatch=True), st.integers(0, 2**40))
def test_a_range_is_always_within_the_file(text: str, size: int) -> None:
    try:
        expected = requested_range(text, size)
    except UnsatisfiableError:
        return
    assert expected is None or (0 <= expected.start < expected.stop <= size and expected.step == 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, set()),
        ('"a"', {"a"}),
        ('"a", "b"', {"a", "b"}),
        ('W/"a", "b"', {"b"}),
        ("*", {"*"}),
        ("a", set()),
        ("Tue, 15 Nov 1994 08:12:31 GMT", set()),
    ],
)
def test_etags_are_compared(text: str | None, expected: set[str]) -> None:
    assert tags(text) == expected


def test_if_match_headers_are_parsed() -> None:
    assert requested_versions({"if-range": '"a"', "if-match": '"b", "c"'}) == {"a", "b", "c"}
    assert requested_versions({"if-match": "*"}) == set()


def test_the_digest_matches_the_example_of_rfc_9530() -> None:
    """The example of RFC 9530, appendix A: "{"hello": "world"}" and a line feed."""
    from hashlib import sha256

    sha = sha256(b'{"hello": "world"}\n').hexdigest()
    assert digest_header(sha) == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
