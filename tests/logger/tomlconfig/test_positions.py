"""The line of every key, compared with the keys that tomllib finds."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logger.tomlconfig.positions import KeyPath, lines

TEXT = '''\
# a comment with [brackets] and "quotes"
title = "a # no comment"   # one

[car]
number = 500
crew = [
    "driver",   # with ] inside a comment
    "navigator",
]
point = { lat = 1.5, "long name" = { deep = 2 } }
a.b."c.d" = 3

[[can]]
name = """
several [[lines]]
of "text" """
raw = \'\'\'
C:\\new
\'\'\'
[[can]]
name = 'two'
[[can.filter]]
id = 0x7E8
when = 2026-01-15 07:03:00Z
[[can.filter]]
id = 2
[can.last]
x = [[1, 2], [{ y = -1.5e3 }]]
[ live . socket ]
path = ""
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("title",), 2),
        (("car",), 4),
        (("car", "number"), 5),
        (("car", "crew"), 6),
        (("car", "crew", 0), 7),
        (("car", "crew", 1), 8),
        (("car", "point", "long name", "deep"), 10),
        (("car", "a", "b", "c.d"), 11),
        (("can", 0), 13),
        (("can", 0, "name"), 14),
        (("can", 0, "raw"), 17),
        (("can", 1), 20),
        (("can", 1, "name"), 21),
        (("can", 1, "filter", 0), 22),
        (("can", 1, "filter", 0, "when"), 24),
        (("can", 1, "filter", 1, "id"), 26),
        (("can", 1, "last", "x", 1, 0, "y"), 28),
        (("live", "socket", "path"), 30),
    ],
)
def test_the_line_of(path: KeyPath, line: int) -> None:
    assert lines(TEXT)[path] == line


def paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key path of a parsed document."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from paths(item, (*path, key))


def test_finds_exactly_what_tomllib_finds() -> None:
    assert set(lines(TEXT)) == set(paths(tomllib.loads(TEXT)))
    crlf = TEXT.replace("\n", "\r\n")
    assert lines(crlf) == lines(TEXT)


_keys = st.sampled_from(["a", "b-1", "7", '"q.q"', "'r r'", '"\\"x"'])
_scalars = st.sampled_from(
    [
        *("1", "-2.5", "true", "nan", "0xDEAD", "1_000"),
        *("1979-05-27", "1979-05-27 07:32:00.5-07:00", "07:32:00"),
        *('"t#]"', "'x\\'", '""', "''", '"\\\\"'),
        *('"""\nm"] """', "'''\n''x'''", '"""a\\"""b""""'),
    ]
)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[ " + " ,\n # ]\n".join(items) + " ]")
        | st.dictionaries(_keys, inner, max_size=3).map(
            lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs.items()) + "}"
        )
    ),
    max_leaves=6,
)
_headers = (
    st.lists(_keys, min_size=1, max_size=3)
    .map(" . ".join)
    .flatmap(lambda key: st.sampled_from([f"[{key}]", f"[[{key}]]", f"  [ {key} ] # ["]))
)
_pairs = st.builds("{} = {} # '".format, st.lists(_keys, min_size=1, max_size=2).map(".".join), _values)


@given(st.lists(_headers | _pairs | st.just(""), max_size=12))
def test_finds_exactly_what_tomllib_finds_in_any_document(parts: list[str]) -> None:
    text, pairs_at = "", set()
    for part in parts:  # leave out parts that make it invalid, such as a table declared twice
        try:
            tomllib.loads(text + part + "\n")
        except tomllib.TOMLDecodeError:
            continue
        if part and not part.lstrip().startswith("["):
            pairs_at.add(text.count("\n") + 1)
        text += part + "\n"
    found = lines(text)
    assert set(found) == set(paths(tomllib.loads(text)))
    assert pairs_at <= set(found.values())
