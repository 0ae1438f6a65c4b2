"""Run a random sample of large test matrices, picked by a seed that `python -m tests` prints.

A test marked `matrix(N)` runs with about one in N of its parameters if `--seed` is given, and with all of them
otherwise (`python -m tests --full`). The same seed picks the same tests.
"""

from __future__ import annotations

from zlib import crc32

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--seed`, which picks the sample."""
    parser.addoption(
        "--seed", help="run a sample of the tests marked matrix(N); the same seed picks the same sample"
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Print the seed, with which the same sample runs again."""
    seed = config.getoption("--seed")
    return f"matrices are sampled: --seed {seed}" if seed else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests that the seed does not pick."""
    seed = config.getoption("--seed")
    if seed:
        left_out = [item for item in items if not _is_picked(item, seed)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _is_picked(item: pytest.Item, seed: str) -> bool:
    return all(
        crc32(f"{seed} {item.nodeid}".encode()) % mark.args[0] == 0 for mark in item.iter_markers("matrix")
    )
