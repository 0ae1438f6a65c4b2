"""Memory of a query over files whose row groups are just within the limit, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from logger.fleet.add import Adder
from logger.fleet.catalogue import entries
from logger.fleet.footers import MAX_GROUP_BYTES
from logger.fleet.store import Store
from logger.fleet.tables import GROUP_BYTES, TABLES, write
from tests.logger.command_line import ENVIRONMENT

FILES, GROUPS, TEXT_BYTES = 5, 2, 100_000
ROWS = MAX_GROUP_BYTES // TEXT_BYTES - 20
THREADS = 2
"""As on the machine where the budget was measured: with more, more row groups are in memory."""
MAX_MB = 700
"""Budget of a query: 200 MB for the program, three times a row group to read one, and four that wait to be printed.
Read as Arrow does it, the queries below take 900 to 1,500 MB."""
_CHILD = f"""
import os, re, sys
from pathlib import Path
os.cpu_count = lambda: {THREADS}
from logger.fleet import query_output
from logger.fleet.query import run_query
from logger.fleet.store import Store
with run_query(Store(sys.argv[1]), sys.argv[2]) as answer:
    query_output.FORMS["csv"](answer)
print(int(re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1]) // 1000, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def store(pair: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the events of many logs: a gigabyte of texts in a megabyte of files."""
    store = Store(str(tmp_path_factory.mktemp("large")))
    Adder(store).add(pair[0])
    (first,) = entries(store)
    texts = pa.array([f"{row:06}" + "x" * (TEXT_BYTES - 6) for row in range(ROWS)])
    for number in range(FILES):
        entry = first._replace(log=f"{number:064x}")
        for path in (entry.path("log"), entry.path("event")):
            Path(store.full(path)).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(entry.as_table(), store.full(entry.path("log")))
        rows = pa.table({"log": [entry.log] * ROWS, "detail": texts})
        options = {"compression": "zstd", "use_dictionary": False, "write_statistics": False}
        with parquet.ParquetWriter(store.full(entry.path("event")), rows.schema, **options) as writer:
            for _ in range(GROUPS):
                writer.write_table(rows)
    return store


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sql", "lines"),
    [
        ("SELECT max(length(detail)) FROM event", 2),
        ("SELECT detail FROM event ORDER BY detail DESC LIMIT 1", 2),
        ("SELECT detail FROM event", 1 + FILES * GROUPS * ROWS),
    ],
)
def test_a_query_reads_one_row_group_at_a_time(sql: str, lines: int, store: Store) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, store.url, sql],
        env={**ENVIRONMENT, "OMP_NUM_THREADS": str(THREADS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        found = sum(1 for line in child.stdout if len(line) < TEXT_BYTES + 10)
        errors = child.stderr.read().decode().splitlines()
    assert child.returncode == 0, errors
    assert found >= lines, "the honest log has events too"
    assert len(errors) == 1, errors
    assert int(errors[0]) < MAX_MB


def test_a_row_group_is_written_before_it_is_too_large(tmp_path: Path) -> None:
    rows = pa.Table.from_pylist([{"log": "x", "detail": "x" * TEXT_BYTES}] * 1000, TABLES["event"])
    one = pa.Table.from_pylist([{"log": "x", "detail": "x" * 2 * GROUP_BYTES}], TABLES["event"])
    write(tmp_path / "it", "event", [rows, one, rows])
    written = parquet.ParquetFile(tmp_path / "it")
    assert written.metadata.num_rows == 2001
    sizes = [written.metadata.row_group(number).num_rows for number in range(written.num_row_groups)]
    assert 1 in sizes
    assert max(sizes) * TEXT_BYTES <= GROUP_BYTES
