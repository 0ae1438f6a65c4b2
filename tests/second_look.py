"""Run failed `load_sensitive` tests again, alone ("second look"), and fail those that need it often.

Such a test waits by the clock for real ports, processes and pages, so other work on the machine can make it fail. It
must then pass two of at most three runs alone, and it may need a second look in only one of three runs of the suite.
The second rule needs the history in the checkout's `.pytest_cache`; a new clone has none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MARK = "load_sensitive"
MAX_FAILURES = 5
"""More failures than this are not caused by load."""
PASSES, FAILURES = 2, 2
"""Runs alone that settle a test: as passed, as failed."""
RUNS = 3
"""Runs of the suite in which a test may need a second look once."""
_FAILED, _HISTORY = "stagelog/failed", "stagelog/second_looks"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Store the names of the failed tests, and whether they are load_sensitive, for `settle`."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    cache: Any = getattr(session.config, "cache", None)
    if reporter is not None and cache is not None:
        reports = [*reporter.getreports("failed"), *reporter.getreports("error")]
        failed = {report.nodeid: MARK in getattr(report, "keywords", ()) for report in reports}
        cache.set(_FAILED, failed)


class SecondLook:
    """The failures of the last run of the suite in a checkout."""

    def __init__(self, root: Path, passes: Callable[[str], bool]) -> None:
        self._folder = root / ".pytest_cache" / "v"
        self._passes = passes

    def begin(self) -> None:
        """Forget earlier failures."""
        (self._folder / _FAILED).unlink(missing_ok=True)

    def settle(self, is_whole: bool) -> bool:
        """Whether load explains every failure; print the outcome of each second look.

        Only a run of the whole suite (`is_whole`) counts in the history.
        """
        failed: dict[str, bool] = self._read(_FAILED, {})
        others = [name for name, is_sensitive in failed.items() if not is_sensitive]
        if not failed:
            return False
        if others or len(failed) > MAX_FAILURES:
            reason = f"{len(others)} are not {MARK}" if others else f"more than {MAX_FAILURES}"
            print(f"== no second look: {len(failed)} failed, {reason}", flush=True)
            return False
        print(f"== second look: {len(failed)} {MARK} failed; each runs again alone:", flush=True)
        outcomes = [self._settle(name) for name in sorted(failed)]
        is_rare = not is_whole or self._is_rare(sorted(failed))
        return is_rare and all(outcomes)

    def passed(self) -> None:
        """Record a run of the whole suite without a second look."""
        self._is_rare([])

    def _settle(self, name: str) -> bool:
        outcomes: list[bool] = []
        while outcomes.count(True) < PASSES and outcomes.count(False) < FAILURES:
            outcomes.append(self._passes(name))
        print(f"   {name}: passed {outcomes.count(True)} of {len(outcomes)} alone", flush=True)
        return outcomes.count(True) == PASSES

    def _is_rare(self, names: list[str]) -> bool:
        history: list[list[str]] = [*self._read(_HISTORY, []), names][-RUNS:]
        path = self._folder / _HISTORY
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(history))
        often = [name for name in names if sum(name in run for run in history) > 1]
        for name in often:
            print(
                f"   {name}: needed a second look in two of the last {RUNS} runs: find the cause", flush=True
            )
        return not often

    def _read(self, name: str, default: Any) -> Any:
        path = self._folder / name
        return json.loads(path.read_text()) if path.exists() else default


def passes_alone(name: str) -> bool:
    """Run one test in its own process."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", name]
    return subprocess.run(command, cwd=Path(__file__).parents[1], check=False).returncode == 0
