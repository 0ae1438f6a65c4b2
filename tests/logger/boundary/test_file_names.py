"""Names that become files: an accepted name stays in its folder on every file system."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.errors import LogError
from logger.boundary.file_names import (
    MAX_NAME_BYTES,
    is_file_name,
    is_without_links,
    open_unlinked,
    suggested,
    within,
)

HOSTILE = [
    "",
    ".",
    "..",
    "...",
    "/etc/passwd",
    "../evil.db",
    "a/b.db",
    "a\\b.db",
    "..\\evil.db",
    "C:evil.db",
    "C:\\evil.db",
    "a.db:stream",
    ".ssh",
    ".hidden.db",
    "a.db.",
    "a.db ",
    " a.db",
    "a\0.db",
    "a\n.db",
    "a\r.db",
    "a\t.db",
    "a\x1b[2J.db",
    "a\x7f.db",
    "a\x85.db",
    "a\u202egpj.db",
    "a\u2028.db",
    "a\u200b.db",
    "a\ufeff.db",
    "a\ud800.db",
    "\udcff.db",
    "CON",
    "con.db",
    "Nul.tar.gz",
    "aux .db",
    "COM1.db",
    "lpt9",
    "COM\u00b9.db",
    "CONIN$",
    "a*.db",
    "a?.db",
    'a".db',
    "<a>.db",
    "a|b.db",
    "n" * 256,
    "\u00e9" * 128,
]
HONEST = [
    "dakar-2026-11-car-500-001.db",
    "Étape 3 (dunes).db",
    "阶段-3.db",
    "-001.db",
    "a..b.db",
    "console.db",
    "com10.db",
    "x.db.damaged-1",
    "n" * 255,
    "a'b & c; $(d).db",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_could_lead_elsewhere_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    assert not is_file_name(name)
    with pytest.raises(LogError) as caught:
        within(tmp_path, name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", HONEST)
def test_ordinary_names_are_accepted_unchanged(name: str, tmp_path: Path) -> None:
    assert is_file_name(name)
    path = within(tmp_path, name)
    path.touch()
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert suggested(name) == name


@pytest.mark.parametrize("name", [None, 5, b"a.db", ["a.db"], {}, float("inf")])
def test_a_value_that_is_not_text_is_not_a_name(name: object) -> None:
    assert not is_file_name(name)


def test_room_is_left_for_a_suffix(tmp_path: Path) -> None:
    name = "n" * (MAX_NAME_BYTES - 70)
    assert is_file_name(name, room_bytes=70)
    assert not is_file_name(name + "n", room_bytes=70)
    with pytest.raises(LogError, match="185 bytes"):
        within(tmp_path, name + "n", room_bytes=70)


@given(st.text(st.characters() | st.sampled_from("/\\.: \0\x1b"), max_size=300))
def test_an_accepted_name_stays_in_its_folder(name: str) -> None:
    folder = Path("/folder")
    if is_file_name(name):
        path = within(folder, name)
        assert path.parent == folder
        assert os.path.normpath(path) == str(path)
        assert len(os.fsencode(path.name)) <= MAX_NAME_BYTES
    proposed = suggested(name, room_bytes=10)
    assert is_file_name(proposed, room_bytes=10), proposed


def test_links_are_found_at_any_depth(tmp_path: Path) -> None:
    store, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    (store / "a" / "b").mkdir(parents=True)
    elsewhere.mkdir()
    (store / "link").symlink_to(elsewhere)
    (store / "a" / "file").symlink_to(elsewhere / "target")
    assert is_without_links(store, store / "a" / "b" / "new")
    assert not is_without_links(store, store / "link" / "new")
    assert not is_without_links(store, store / "a" / "file")
    assert not is_without_links(store, store / "a" / ".." / ".." / "elsewhere")
    with pytest.raises(OSError, match=r"[Ss]ymbolic|[Ll]oop|levels"):
        open_unlinked(store / "a" / "file", os.O_WRONLY | os.O_CREAT)
    assert list(elsewhere.iterdir()) == []
