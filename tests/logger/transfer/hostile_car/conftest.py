"""The verb `fetch` through the program's own entry point, with shorter time limits."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import pytest

from logger.cli import main
from logger.transfer import exchange
from tests.logger.transfer.hostile_car.lying import Ended, Fetch

LIMITS = exchange.Limits(
    silence_s=0.3, slow_s=0.3, response_s=0.8, preparing_s=0.3, ask_again_s=0.05, worthless_s=1.0
)
BUDGET_S = 8.0
"""Time limit of a fetch with these limits and a short --patience, on a loaded machine."""
MORE_KB = 200_000
"""Memory that a fetch may take in addition to what the test already uses."""


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    folder = tmp_path / "laptop"
    folder.mkdir()
    return folder


@pytest.fixture
def fetch(laptop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fetch:
    monkeypatch.setattr(exchange, "LIMITS", LIMITS)

    def run(port: int, *options: str, host: str = "127.0.0.1", patience_s: float = 0.4) -> Ended:
        words = ["fetch", f"{host}:{port}", str(laptop), "--patience", str(patience_s), *options]
        monkeypatch.setattr(sys, "argv", ["stagelog", *words])
        begun_s, before_kb = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        code = main._run()
        assert time.monotonic() - begun_s < BUDGET_S
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < MORE_KB
        out, err = capsys.readouterr()
        for line in [*out.splitlines(), *err.splitlines()]:
            assert line.isprintable(), line
            assert len(line) < 1000
        assert "Traceback" not in err
        return Ended(code, out, err.splitlines())

    return run
