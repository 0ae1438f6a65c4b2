"""A few hostile logs, always the same; `python -m tests.fuzz.hostile` goes on for as long as one likes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.figures import Figures
from tests.fuzz.hostile import honest, logs
from tests.fuzz.hostile.campaign import Campaign

LOGS = 24
WITHIN_S = 600.0
"""Some 20 s on two cores of their own."""


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    with closing(Campaign()) as made:
        yield made


def test_every_verb_survives_hostile_logs(campaign: Campaign, figures: Figures) -> None:
    found = list(campaign.tried(range(1, LOGS + 1), time.monotonic() + WITHIN_S))
    assert not found, "\n".join(map(str, found))
    assert campaign.logs == LOGS, "it took too long"
    figures.tried("hostile logs through every reading verb and endpoint, no finding", campaign.logs)
    figures.tried("verbs and endpoints run on hostile logs", campaign.steps)


def test_a_number_makes_the_same_log(tmp_path: Path) -> None:
    plain = honest.write(tmp_path / "honest.db")
    for seed in range(20):
        first, second = (logs.make(seed, plain, tmp_path / name) for name in ("a.db", "b.db"))
        assert first.names == second.names
        if first.path.is_file():
            assert first.path.read_bytes() == second.path.read_bytes()
        for path in tmp_path.glob("[ab].db*"):
            path.unlink()


def test_every_mutation_changes_the_log(tmp_path: Path) -> None:
    """Or SQLite refuses to make it, which may be so for a few."""
    plain = honest.write(tmp_path / "honest.db")
    before = plain.read_bytes()
    refused = []
    for kind in ("schema", "file"):
        for number, name in enumerate(logs.MUTATIONS[kind]):
            folder = tmp_path / f"{kind}-{number}"
            folder.mkdir()
            made = logs.make(number, plain, folder / honest.NAME, (name,))
            beside = [path for path in folder.iterdir() if path != made.path]
            if not made.names or (made.path.is_file() and made.path.read_bytes() == before and not beside):
                refused.append(name)
    assert len(refused) < 10, refused
