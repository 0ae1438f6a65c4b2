"""Files of an untrusted store that claim or unpack to more than they hold: bounded in memory and time."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.logger.fleet.hostile_store.commands import SHA, Verb


def many_rows_in_a_group(path: Path) -> None:
    table = pa.table({"log": pa.nulls(5_000_000, pa.string()), "session": pa.nulls(5_000_000, pa.int32())})
    parquet.write_table(table, path, row_group_size=5_000_000)


def varint(number: int) -> bytes:
    """As Thrift writes a positive whole number."""
    number, out = 2 * number, bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def claim_little(path: Path) -> None:
    """The footer states a few bytes for everything, in as many digits as before."""
    group = parquet.read_metadata(path).row_group(0)
    data = path.read_bytes()
    at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = data[at:]
    for size in {group.total_byte_size, group.column(0).total_uncompressed_size}:
        written = varint(size)
        assert written in footer
        footer = footer.replace(written, b"\x88" + b"\x80" * (len(written) - 2) + b"\x00")
    path.write_bytes(data[:at] + footer)
    assert parquet.read_metadata(path).row_group(0).total_byte_size < 1000


def a_page_that_unpacks_to_more(path: Path) -> None:
    table = pa.table({"log": ["x" * 100_000] * 1500})
    options = {"use_dictionary": False, "data_page_size": 1 << 30, "write_statistics": False}
    parquet.write_table(table, path, compression="zstd", **options)
    assert path.stat().st_size < 100_000
    claim_little(path)


def a_text_repeated_in_every_row(path: Path) -> None:
    rows = pa.array([0] * 100_000, pa.int32())
    table = pa.table({"log": pa.DictionaryArray.from_arrays(rows, pa.array(["x" * 100_000]))})
    parquet.write_table(table, path, store_schema=False)
    assert path.stat().st_size < 200_000


def texts_that_differ_in_nothing(path: Path) -> None:
    table = pa.table({"log": ["x" * 10_000] * 20_000})
    parquet.write_table(table, path, use_dictionary=False, column_encoding={"log": "DELTA_BYTE_ARRAY"})
    assert path.stat().st_size < 100_000


def headers_of_rubbish(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for index in range(parquet.read_metadata(path).num_columns):
        chunk = parquet.read_metadata(path).row_group(0).column(index)
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        data[start : start + 8] = b"\x15\x00\xff\xff\xff\xff\xff\xff"
    path.write_bytes(data)


TABLE_FILES: dict[str, Callable[[Path], object]] = {
    "other columns": lambda path: parquet.write_table(pa.table({"x": [1]}), path),
    "other types": lambda path: parquet.write_table(pa.table({"log": ["a"], "lat": ["north"]}), path),
    "nested types": lambda path: parquet.write_table(pa.table({"log": ["a"], "lat": [[[1.0]]]}), path),
    "no Parquet": lambda path: path.write_bytes(b"CSV"),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a huge row group": many_rows_in_a_group,
    "a page that unpacks to more than the footer says": a_page_that_unpacks_to_more,
    "a text repeated in every row": a_text_repeated_in_every_row,
    "texts that differ in nothing": texts_that_differ_in_nothing,
    "headers of rubbish": headers_of_rubbish,
}


@pytest.mark.parametrize("what", TABLE_FILES)
def test_an_invalid_table_file_is_skipped(what: str, verb: Verb, store: Path) -> None:
    path = next((store / "fix/event=test/stage=7/car=71").iterdir())
    TABLE_FILES[what](path)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended = verb("query", "SELECT DISTINCT car FROM fix WHERE log IS NOT NULL", "--json")
    assert (ended.code, ended.out) == (0, '{"car": 72}\n')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 300_000
    assert len(ended.err) == 1
    assert path.name in ended.err[0]


def test_many_rows_of_few_texts_are_read(verb: Verb, store: Path) -> None:
    """A dictionary of a megabyte could stand for a hundred gigabytes; how long its texts are in the rows counts."""
    path = next((store / "event/event=test/stage=7/car=71").iterdir())
    texts = [f"{number:0200d}" for number in range(4_000)]
    parquet.write_table(pa.table({"log": [SHA] * 100_000, "detail": texts * 25}), path)
    ended = verb("query", "SELECT count(DISTINCT detail) AS n FROM event WHERE car = 71", "--json")
    assert (ended.code, ended.out, ended.err) == (0, '{"n": 4000}\n', [])


@pytest.mark.parametrize(("damaged_bytes", "codes"), [(20, {64, 74}), (1 << 30, {0})])
def test_damaged_rows_are_a_one_line_error(
    damaged_bytes: int, codes: set[int], verb: Verb, store: Path
) -> None:
    """The end of the last page's data, or every page with its header: then the file is left out."""
    path = next((store / "event/event=test/stage=7/car=71").iterdir())
    data = bytearray(path.read_bytes())
    footer = int.from_bytes(data[-8:-4], "little") + 8
    start = max(4, len(data) - footer - damaged_bytes)
    data[start : len(data) - footer] = b"\xff" * (len(data) - footer - start)
    path.write_bytes(data)
    ended = verb("query", "SELECT count(detail), max(detail) FROM event")
    assert ended.code in codes
    assert len(ended.err) == 1


@pytest.mark.parametrize("run", ["..", "../..", "a/b", "/tmp", "", "x\0"])  # noqa: S108
def test_a_run_must_be_a_folder_name(run: str, verb: Verb) -> None:
    ended = verb("query", "SELECT 1", "--run", run)
    assert ended.code == 64
    assert len(ended.err) == 1
