"""A hostile log by its number: the same number gives the same log, on every machine with the same SQLite.

Most have one mutation, some two or three, and each mutation has a name, so that a finding says which it was.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fuzz.hostile import files, schemas, sizes, values

_KINDS = (("schema", 38), ("value", 44), ("size", 2), ("file", 16))
"""How often each is drawn, in percent. A large log costs as much time as fifty small ones."""
MUTATIONS: dict[str, list[str]] = {
    "schema": sorted(schemas.CHANGES),
    "value": sorted(values.CHANGES),
    "size": sorted(sizes.CHANGES),
    "file": sorted(files.DAMAGE),
}
_KNOWN = {kind: frozenset(names) for kind, names in MUTATIONS.items()}
_CHANGES = {**schemas.CHANGES, **values.CHANGES, **sizes.CHANGES}
_WHOLE_NEVERTHELESS = ("the migrations empty", "statistics", "a missing column", "a default")


class Made(NamedTuple):
    """A log that was made. `names` are its mutations, those that SQLite refused left out."""

    path: Path
    names: tuple[str, ...]
    never_whole: bool
    """Whether it is not a log of ours by its schema: `verify` must not call it whole."""


def drawn(seed: int) -> tuple[str, ...]:
    """The names of a log's mutations."""
    chance = Random(f"names {seed}")
    kinds = chance.choices(
        [kind for kind, _ in _KINDS], [share for _, share in _KINDS], k=chance.choice((1, 1, 1, 2, 3))
    )
    if "size" in kinds:
        kinds = ["size"]
    return tuple(
        chance.choice(MUTATIONS[kind])
        for kind in sorted(set(kinds), key=["size", "value", "schema", "file"].index)
    )


def kinds(names: tuple[str, ...]) -> set[str]:
    """Of which kinds mutations are."""
    return {kind for name in names for kind, known in _KNOWN.items() if name in known}


def make(seed: int, honest: Path, path: Path, names: tuple[str, ...] = ()) -> Made:
    """Write the log of a number, or with these mutations, in the place of `path`."""
    chance = Random(f"log {seed}")
    shutil.copyfile(honest, path)
    names = names or drawn(seed)
    done = [name for name in names if name in _CHANGES and _change(path, name, chance)]
    for name in names:
        if name in files.DAMAGE:
            with suppress(
                sqlite3.Error, UnicodeDecodeError
            ):  # of a schema that does not let itself be copied
                files.DAMAGE[name](path, chance)
                done.append(name)
    hostile = done and len(done) == len([name for name in done if name in schemas.CHANGES])
    return Made(path, tuple(done), bool(hostile and done[0] in schemas.CHANGES and not _is_mild(done[0])))


def _is_mild(name: str) -> bool:
    return any(mild in name for mild in _WHOLE_NEVERTHELESS)


def _change(path: Path, name: str, chance: Random) -> bool:
    """Make a change in the log; False, and the log is as before, where SQLite does not let it be made."""
    before = path.read_bytes()
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for setting in (
                "journal_mode = OFF",
                "synchronous = OFF",
                "legacy_alter_table = ON",
                "writable_schema = ON",
            ):
                connection.execute(f"PRAGMA {setting}")
            connection.execute("BEGIN")
            _CHANGES[name](connection, chance)
            connection.execute("COMMIT")
        data = bytearray(path.read_bytes())
        data[18:20] = b"\x02\x02"  # a log has a WAL
        path.write_bytes(data)
    except (sqlite3.Error, OverflowError, UnicodeDecodeError):
        path.write_bytes(before)
        path.with_name(path.name + "-journal").unlink(missing_ok=True)
        return False
    return True
