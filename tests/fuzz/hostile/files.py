"""Damage to log files that no recorder causes: headers, pages, lengths, and files beside the log."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random

PAGE_BYTES = 1024
Damage = Callable[[Path, Random], None]
_HEADER = {
    "the magic": (0, b"SQLite format 4\0"),
    "pages of 512": (16, b"\x02\x00"),
    "pages of 65536": (16, b"\x00\x01"),
    "pages of 3": (16, b"\x00\x03"),
    "a write version of 3": (18, b"\x03\x03"),
    "no WAL": (18, b"\x01\x01"),
    "reserved bytes": (20, b"\x20"),
    "odd fractions": (21, b"\xff\xff\xff"),
    "2^32-1 pages": (28, b"\xff\xff\xff\xff"),
    "no page": (28, b"\0\0\0\0"),
    "two pages": (28, b"\0\0\0\x02"),
    "a freelist at page 2": (32, b"\0\0\0\x02\0\0\0\x05"),
    "a freelist beyond the file": (32, b"\x7f\xff\xff\xff\x7f\xff\xff\xff"),
    "a schema cookie": (40, b"\xff\xff\xff\xff"),
    "schema format 1": (44, b"\0\0\0\x01"),
    "schema format 99": (44, b"\0\0\0\x63"),
    "a cache of 2^31": (48, b"\x7f\xff\xff\xff"),
    "a vacuum root": (52, b"\0\0\0\x03"),
    "UTF-16le": (56, b"\0\0\0\x02"),
    "UTF-16be": (56, b"\0\0\0\x03"),
    "encoding 9": (56, b"\0\0\0\x09"),
    "a user version": (60, b"\x7f\xff\xff\xff"),
    "an incremental vacuum": (64, b"\0\0\0\x01"),
    "another application": (68, b"\0\0\0\0"),
    "expansion bytes": (72, b"\xff" * 20),
    "a version of SQLite": (96, b"\xff\xff\xff\xff"),
}


def _header(at: int, content: bytes, path: Path, _rng: Random) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + len(content)] = content
    path.write_bytes(data)


def _bits(count: int, path: Path, rng: Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[rng.randrange(100, len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _bits_of_the_schema(path: Path, rng: Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(3):
        data[rng.randrange(100, min(len(data), 12 * PAGE_BYTES))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _pages(path: Path, rng: Random) -> None:
    """Copy pages over others, so that a B-tree refers to itself."""
    data = bytearray(path.read_bytes())
    count = len(data) // PAGE_BYTES
    for _ in range(rng.choice((1, 2, 5))):
        to, source = (rng.randrange(1, count) * PAGE_BYTES for _ in range(2))
        data[to : to + PAGE_BYTES] = data[source : source + PAGE_BYTES]
    path.write_bytes(data)


def _pointers(path: Path, rng: Random) -> None:
    """Change child pointers of inner pages, also to the page itself."""
    data = bytearray(path.read_bytes())
    count = len(data) // PAGE_BYTES
    for page in range(1, count):
        at = page * PAGE_BYTES
        if data[at] in (2, 5) and rng.random() < 0.5:
            data[at + 8 : at + 12] = rng.choice((page + 1, 1, 2, count, 2**31)).to_bytes(4, "big")
    path.write_bytes(data)


def _cells(path: Path, rng: Random) -> None:
    """Change page headers: page types, cell counts and cell positions."""
    data = bytearray(path.read_bytes())
    for _ in range(3):
        at = rng.randrange(1, len(data) // PAGE_BYTES) * PAGE_BYTES
        data[at + rng.randrange(12)] = rng.randrange(256)
    path.write_bytes(data)


def _cut(path: Path, rng: Random) -> None:
    os.truncate(path, rng.choice((0, 1, 99, 100, 512, PAGE_BYTES, rng.randrange(path.stat().st_size))))


def _longer(tail: bytes, path: Path, _rng: Random) -> None:
    with path.open("ab") as file:
        file.write(tail)


def _sparse(path: Path, _rng: Random) -> None:
    os.truncate(path, 200_000_000)


def _noise(path: Path, rng: Random) -> None:
    path.write_bytes(rng.randbytes(rng.randrange(1, 100_000)))


def _noise_after_the_header(path: Path, rng: Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:100] + rng.randbytes(len(data) - 100))


def _copied_with(settings: tuple[str, ...], path: Path, _rng: Random) -> None:
    """Copy the tables into a file with other settings."""
    other = path.with_name("other")
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        statements = [
            row[0]
            for row in old.execute(
                "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'"
            )
        ]
        names = [
            row[0]
            for row in old.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
        ]
        mark = old.execute("PRAGMA application_id").fetchone()[0]
        with closing(sqlite3.connect(other, isolation_level=None)) as new:
            for setting in (*settings, f"application_id = {mark}"):
                new.execute(f"PRAGMA {setting}")
            new.execute("BEGIN")
            for sql in statements:
                new.execute(sql)
            for name in names:
                rows = old.execute(f'SELECT * FROM "{name}"').fetchall()
                if rows:
                    new.executemany(
                        f'INSERT OR IGNORE INTO "{name}" VALUES ({", ".join("?" * len(rows[0]))})', rows
                    )
            new.execute("COMMIT")
    other.replace(path)


def _beside(tail: str, make: Callable[[Path, Random], bytes], path: Path, rng: Random) -> None:
    path.with_name(path.name + tail).write_bytes(make(path, rng))


def _wal_of(statements: tuple[str, ...], path: Path, _rng: Random) -> None:
    """A valid WAL with further changes of the log."""
    work = path.with_name("work")
    shutil.copyfile(path, work)
    with closing(sqlite3.connect(work, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)
        shutil.copyfile(work, path)
        shutil.copyfile(f"{work}-wal", f"{path}-wal")
    for tail in ("", "-wal", "-shm"):
        work.with_name(work.name + tail).unlink(missing_ok=True)


def _wal_damaged(path: Path, rng: Random) -> None:
    _wal_of(("INSERT INTO event SELECT * FROM event", "INSERT INTO fix SELECT * FROM fix"), path, rng)
    wal = path.with_name(path.name + "-wal")
    data = bytearray(wal.read_bytes())
    for _ in range(rng.choice((1, 5, 50))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    wal.write_bytes(data)


def _checked_wal(sizes: tuple[int, int], path: Path, _rng: Random) -> None:
    """A WAL with valid checksums whose frames have absurd page numbers."""
    number, pages = sizes
    salt, both = bytes(8), [0, 0]

    def added(piece: bytes) -> None:
        for at in range(0, len(piece), 8):
            for n in (0, 1):
                word = int.from_bytes(piece[at + 4 * n : at + 4 * n + 4], "big")
                both[n] = (both[n] + word + both[1 - n]) & 0xFFFF_FFFF

    head = b"".join(word.to_bytes(4, "big") for word in (0x377F0683, 3007000, PAGE_BYTES, 0)) + salt
    added(head)
    data = head + b"".join(word.to_bytes(4, "big") for word in both)
    page = path.read_bytes()[:PAGE_BYTES] if number == 1 else bytes(PAGE_BYTES)
    frame = number.to_bytes(4, "big") + pages.to_bytes(4, "big")
    added(frame)
    added(page)
    data += frame + salt + b"".join(word.to_bytes(4, "big") for word in both) + page
    path.with_name(path.name + "-wal").write_bytes(data)


def _journal(path: Path, _rng: Random) -> bytes:
    """A hot journal that overwrites the first page and sets the size to 2^31 pages."""
    head = bytes.fromhex("d9d505f920a163d7") + b"".join(
        word.to_bytes(4, "big") for word in (1, 0, 2**31 - 1, 512, PAGE_BYTES)
    )
    return head.ljust(512, b"\0") + (1).to_bytes(4, "big") + bytes(PAGE_BYTES) + bytes(4)


def _not_a_file(tail: str, kind: str, path: Path, _rng: Random) -> None:
    at = path.with_name(path.name + tail)
    at.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(at)
        case "folder":
            at.mkdir()
        case "link to nothing":
            at.symlink_to("nowhere")
        case "link to itself":
            at.symlink_to(at.name)
        case "link to /dev/zero":
            at.symlink_to("/dev/zero")
        case "link to /etc/passwd":
            at.symlink_to("/etc/passwd")


_KINDS = ("pipe", "folder", "link to nothing", "link to itself", "link to /dev/zero", "link to /etc/passwd")
_ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
DAMAGE: dict[str, Damage] = {
    **{f"header: {what}": partial(_header, *field) for what, field in _HEADER.items()},
    **{f"{count} bits {n}": partial(_bits, count) for count in (1, 10, 100, 1000) for n in range(40)},
    **{f"bits of the schema {n}": _bits_of_the_schema for n in range(80)},
    **{f"pages over others {n}": _pages for n in range(60)},
    **{f"child pointers {n}": _pointers for n in range(20)},
    **{f"heads of pages {n}": _cells for n in range(60)},
    **{f"cut {n}": _cut for n in range(15)},
    "zeros after it": partial(_longer, bytes(1_000_000)),
    "ones after it": partial(_longer, b"\xff" * 1_000_000),
    "a hole of 200 MB after it": _sparse,
    **{f"noise {n}": _noise for n in range(5)},
    **{f"noise after the header {n}": _noise_after_the_header for n in range(5)},
    **{
        f"made with {', '.join(settings)}": partial(_copied_with, settings)
        for settings in (
            ("encoding = 'UTF-16le'",),
            ("encoding = 'UTF-16be'",),
            ("page_size = 512",),
            ("page_size = 65536",),
            ("auto_vacuum = FULL",),
            ("auto_vacuum = INCREMENTAL",),
            ("user_version = 7",),
            ("journal_mode = DELETE",),
            ("auto_vacuum = FULL", "page_size = 8192", "encoding = 'UTF-16'"),
            ("page_size = 1024",),
        )
    },
    **{
        f"-{tail}: noise": partial(_beside, f"-{tail}", lambda _path, rng: rng.randbytes(40_000))
        for tail in ("wal", "shm", "journal")
    },
    **{
        f"-{tail}: zeros": partial(_beside, f"-{tail}", lambda _path, _rng: bytes(40_000))
        for tail in ("wal", "shm", "journal")
    },
    **{
        f"-{tail}: nothing": partial(_beside, f"-{tail}", lambda _path, _rng: b"")
        for tail in ("wal", "shm", "journal")
    },
    **{
        f"-{tail}: the log": partial(_beside, f"-{tail}", lambda path, _rng: path.read_bytes())
        for tail in ("wal", "shm", "journal")
    },
    "-journal: hot": partial(_beside, "-journal", _journal),
    **{
        f"-{tail}: a {kind}": partial(_not_a_file, f"-{tail}", kind)
        for tail in ("wal", "shm", "journal")
        for kind in _KINDS
    },
    **{f"a {kind} in its place": partial(_not_a_file, "", kind) for kind in _KINDS},
    **{f"a damaged -wal {n}": _wal_damaged for n in range(20)},
    **{
        f"-wal: page {number} of {pages}": partial(_checked_wal, (number, pages))
        for number in (1, 2, 3, 2_000_000, 2**32 - 1)
        for pages in (0, 1, 5, 4_000_000, 2**32 - 1)
    },
    "-wal: a trigger": partial(
        _wal_of,
        (
            "CREATE TRIGGER t AFTER INSERT ON event BEGIN"
            " INSERT INTO meta SELECT hex(randomblob(9)), hex(zeroblob(1000000))"
            f" FROM ({_ENDLESS} SELECT x FROM c LIMIT 20); END",
        ),
    ),
    "-wal: an endless view": partial(
        _wal_of,
        (
            "DROP TABLE session",
            f"CREATE VIEW session AS {_ENDLESS}"
            " SELECT x AS id, x AS boot_id, x AS started_utc, x AS software, x AS config FROM c",
        ),
    ),
    "-wal: a table dropped": partial(_wal_of, ("DROP TABLE event",)),
    "-wal: 20 MB": partial(
        _wal_of,
        (
            "INSERT INTO rejected SELECT 1, x, 'p', 'r', zeroblob(100000) FROM ("
            + _ENDLESS
            + " SELECT x FROM c LIMIT 200)",
        ),
    ),
    "-wal: another text of a table": partial(
        _wal_of, ("UPDATE sqlite_schema SET sql = 'CREATE TABLE fix (' WHERE name = 'fix'",)
    ),
    "-wal: another application": partial(_wal_of, ("PRAGMA application_id = 7",)),
    "-wal: left by a power cut": partial(
        _wal_of, ("INSERT INTO event SELECT session, t_us + 1, kind, detail FROM event",)
    ),
}
