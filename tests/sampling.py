"""Run a sample of large matrices, another one each time: `python -m tests` passes a seed and prints it.

A test marked `matrix(N)` runs with about one in N of its parameters where `--seed` is given, and with all of them
where it is not; `python -m tests --full` gives none. The same seed picks the same tests.
"""

from __future__ import annotations

from zlib import crc32

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--seed`: what picks the sample."""
    parser.addoption("--seed", help="run a sample of the tests marked matrix(N), picked by this")


def pytest_report_header(config: pytest.Config) -> str | None:
    """The seed, to run the same sample again."""
    seed = config.getoption("--seed")
    return f"matrices are sampled: --seed {seed}" if seed else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the seed does not pick."""
    seed = config.getoption("--seed")
    if seed:
        left_out = [item for item in items if not _is_picked(item, seed)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _is_picked(item: pytest.Item, seed: str) -> bool:
    return all(
        crc32(f"{seed} {item.nodeid}".encode()) % mark.args[0] == 0 for mark in item.iter_markers("matrix")
    )
