"""Make a hostile log from its number: the same number gives the same log with the same SQLite.

Most logs have one mutation, some two or three. Mutations have names, which a finding reports.
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fuzz.hostile import files, schemas, sizes, values

_KINDS = (("schema", 390), ("value", 446), ("size", 4), ("file", 160))
"""Share of each kind in 1000 mutations. A large log takes as much time as fifty small ones, and ten thousand logs draw
each of the sizes twice."""
MUTATIONS: dict[str, list[str]] = {
    "schema": sorted(schemas.CHANGES),
    "value": sorted(values.CHANGES),
    "size": sorted(sizes.CHANGES),
    "file": sorted(files.DAMAGE),
}
_KNOWN = {kind: frozenset(names) for kind, names in MUTATIONS.items()}
_CHANGES = {**schemas.CHANGES, **values.CHANGES, **sizes.CHANGES}
_STILL_WHOLE = ("the migrations empty", "statistics", "a missing column", "a default")


class Made(NamedTuple):
    """A hostile log. `names` are its mutations, without those that SQLite refused."""

    path: Path
    names: tuple[str, ...]
    never_whole: bool
    """Whether its schema is not a log's, so that `verify` must not call it whole."""


def drawn(seed: int) -> tuple[str, ...]:
    """The mutations of a log, from its number."""
    rng = Random(f"names {seed}")
    kinds = rng.choices(
        [kind for kind, _ in _KINDS], [share for _, share in _KINDS], k=rng.choice((1, 1, 1, 2, 3))
    )
    if "size" in kinds:
        kinds = ["size"]
    return tuple(
        rng.choice(MUTATIONS[kind])
        for kind in sorted(set(kinds), key=["size", "value", "schema", "file"].index)
    )


def kinds(names: tuple[str, ...]) -> set[str]:
    """The kinds of the mutations."""
    return {kind for name in names for kind, known in _KNOWN.items() if name in known}


def make(seed: int, honest: Path, path: Path, names: tuple[str, ...] = ()) -> Made:
    """Write the log of a number, or one with these mutations, to `path`."""
    rng = Random(f"log {seed}")
    shutil.copyfile(honest, path)
    names = names or drawn(seed)
    done = [name for name in names if name in _CHANGES and _change(path, name, rng)]
    for name in names:
        if name in files.DAMAGE:
            with suppress(sqlite3.Error, UnicodeDecodeError):  # a schema that cannot be copied
                files.DAMAGE[name](path, rng)
                done.append(name)
    hostile = done and len(done) == len([name for name in done if name in schemas.CHANGES])
    return Made(path, tuple(done), bool(hostile and done[0] in schemas.CHANGES and not _is_mild(done[0])))


def _is_mild(name: str) -> bool:
    return any(mild in name for mild in _STILL_WHOLE)


def _change(path: Path, name: str, rng: Random) -> bool:
    """Change the log. False if SQLite refuses; then the log is unchanged."""
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
            _CHANGES[name](connection, rng)
            connection.execute("COMMIT")
        data = bytearray(path.read_bytes())
        data[18:20] = b"\x02\x02"  # a log has a WAL
        path.write_bytes(data)
    except (sqlite3.Error, OverflowError, UnicodeDecodeError):
        path.write_bytes(before)
        path.with_name(path.name + "-journal").unlink(missing_ok=True)
        return False
    return True
