"""Second look: run again, alone, the failed tests that are marked `load_sensitive`.

Such a test waits for real ports, processes and pages by the clock, and other work on the machine can make it fail. It
must then pass twice of at most three runs alone, and no oftener than in one of three runs of the suite may it need
that. The latter is known where the checkout's `.pytest_cache` is kept; in a new clone only the former holds.
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
MOST = 5
"""More failures than these are not the machine's."""
PASSES, FAILURES = 2, 2
"""Alone: what lets a test pass, and what fails it."""
RUNS = 3
"""Of so many runs of the suite, a test may need a second look in one."""
_FAILED, _HISTORY = "stagelog/failed", "stagelog/second_looks"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave the names of what failed, and whether it is load_sensitive, for `settle`."""
    reporter: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    cache: Any = getattr(session.config, "cache", None)
    if reporter is not None and cache is not None:
        reports = [*reporter.getreports("failed"), *reporter.getreports("error")]
        failed = {report.nodeid: MARK in getattr(report, "keywords", ()) for report in reports}
        cache.set(_FAILED, failed)


class SecondLook:
    """What the last run of the suite in a checkout left to be settled."""

    def __init__(self, root: Path, passes: Callable[[str], bool]) -> None:
        self._folder = root / ".pytest_cache" / "v"
        self._passes = passes

    def begin(self) -> None:
        """Forget what failed before."""
        (self._folder / _FAILED).unlink(missing_ok=True)

    def settle(self, is_whole: bool) -> bool:
        """Whether each failure was the machine's; print which were looked at again, and how that ended.

        A run of the whole suite counts in the history, one of a part does not.
        """
        failed: dict[str, bool] = self._read(_FAILED, {})
        others = [name for name, is_sensitive in failed.items() if not is_sensitive]
        if not failed:
            return False
        if others or len(failed) > MOST:
            reason = f"{len(others)} are not {MARK}" if others else f"at most {MOST} are looked at again"
            print(f"== no second look: {len(failed)} failed, {reason}", flush=True)
            return False
        print(f"== second look: {len(failed)} {MARK} failed beside others; alone:", flush=True)
        outcomes = [self._settle(name) for name in sorted(failed)]
        is_rare = not is_whole or self._is_rare(sorted(failed))
        return is_rare and all(outcomes)

    def passed(self) -> None:
        """Note a whole run that needed no second look."""
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

    def _read(self, name: str, otherwise: Any) -> Any:
        path = self._folder / name
        return json.loads(path.read_text()) if path.exists() else otherwise


def passes_alone(name: str) -> bool:
    """Run one test in a process of its own."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", name]
    return subprocess.run(command, cwd=Path(__file__).parents[1], check=False).returncode == 0
