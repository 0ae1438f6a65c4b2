"""A short run with fixed hostile logs; `python -m tests.fuzz.hostile` runs longer."""

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
"""Time limit; it takes about 20 s on two idle cores."""


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    with closing(Campaign()) as campaign:
        yield campaign


def test_every_verb_survives_hostile_logs(campaign: Campaign, figures: Figures) -> None:
    findings = list(campaign.findings_on(range(1, LOGS + 1), time.monotonic() + WITHIN_S))
    assert not findings, "\n".join(map(str, findings))
    assert campaign.logs == LOGS, "it took too long"
    figures.tried("hostile logs, every reading verb and endpoint run on each, no finding", campaign.logs)
    figures.tried("verbs and endpoints run on hostile logs", campaign.steps)


def test_a_number_gives_the_same_log(tmp_path: Path) -> None:
    plain = honest.write(tmp_path / "honest.db")
    for seed in range(20):
        first, second = (logs.make(seed, plain, tmp_path / name) for name in ("a.db", "b.db"))
        assert first.names == second.names
        if first.path.is_file():
            assert first.path.read_bytes() == second.path.read_bytes()
        for path in tmp_path.glob("[ab].db*"):
            path.unlink()


def test_every_mutation_changes_the_log(tmp_path: Path) -> None:
    """SQLite may refuse a few of them."""
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
