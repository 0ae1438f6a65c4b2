"""An honest store, its copy, and the `fleet` commands on it."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from pathlib import Path

import pytest

from logger.cli import main
from logger.fleet.add import Adder
from logger.fleet.store import Store
from tests.logger.fleet.hostile_store.commands import Ended, Verb


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory, pair: list[Path]) -> Path:
    """A store with the logs of two cars."""
    folder = tmp_path_factory.mktemp("honest")
    adder = Adder(Store(str(folder)))
    for log in pair:
        adder.add(log)
    return folder


@pytest.fixture
def store(tmp_path: Path, honest: Path) -> Path:
    """A copy of the honest store in its own folder."""
    return Path(shutil.copytree(honest, tmp_path / "home" / "store"))


@pytest.fixture
def verb(
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Verb:
    """Runs a `fleet` command on this store through the program's entry point."""

    def run(name: str, *words: object, budget_s: float = 20.0) -> Ended:
        extra = ["--workers", "0"] if name == "review" else []
        monkeypatch.setattr(
            sys, "argv", ["stagelog", "fleet", name, *map(str, words), "--store", str(store), *extra]
        )
        caplog.clear()
        begun_s = time.process_time()
        code = main._run()
        assert time.process_time() - begun_s < budget_s
        out, err = capsys.readouterr()
        lines = [
            *err.splitlines(),
            *(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING),
        ]
        assert all(line.isprintable() and len(line) < 1000 for line in lines), lines
        return Ended(code, out, lines)

    return run
