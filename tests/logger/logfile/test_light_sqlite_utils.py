"""sqlite-utils is imported without numpy, only in the importing thread."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest

from logger.logfile import light_sqlite_utils

ROOT = Path(__file__).resolve().parents[3]
BEGIN = """
import sys
finders = list(sys.meta_path)
"""
IMPORT = "from logger.logfile.light_sqlite_utils import Database\n"
TABLE = """
db = Database(memory=True)
db["t"].create({"id": int, "x": float, "b": bytes}, pk="id")
db["t"].insert({"id": 1, "x": 0.5, "b": b"1"})
assert list(db["t"].rows) == [{"id": 1, "x": 0.5, "b": b"1"}]
db.close()
assert sys.meta_path == finders
"""


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_neither_is_imported_and_both_can_be_afterwards() -> None:
    """They take a third of the time to the first row; fails if sqlite-utils imports them in another way."""
    hidden = 'assert not {"numpy", "pandas"} & sys.modules.keys(), "sqlite-utils imports numpy or pandas"\n'
    run(BEGIN + IMPORT + hidden + TABLE + "import numpy")


def test_an_imported_numpy_stays_imported() -> None:
    run(BEGIN + "import numpy\n" + IMPORT + TABLE + 'assert sys.modules["numpy"] is numpy')


def test_another_thread_can_import_a_hidden_package() -> None:
    name = "colorsys"  # from the standard library; no code here imports it
    sys.modules.pop(name, None)
    with light_sqlite_utils._hidden(frozenset({name})), ThreadPoolExecutor(1) as other:
        with pytest.raises(ModuleNotFoundError):
            import_module(name)
        assert other.submit(import_module, name).result().__name__ == name
        assert import_module(name) is sys.modules[name]
