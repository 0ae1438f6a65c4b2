"""Run every check that decides whether a change lands: `python -m tests`.

The checks are format, lint, types, import contracts and the tests. `--fast` runs only the tests that need nothing but
the processor (marked `unit`); `--full` runs all parameters of large matrices (tests/sampling.py). Other arguments are
passed to pytest.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from tests.second_look import SecondLook, passes_alone

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable
_CORES = os.cpu_count() or 1

CHECKS: dict[str, list[str]] = {
    "format": [PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "--quiet", "."],
    "types": [PYTHON, "-m", "mypy"],
    "imports": [str(Path(PYTHON).with_name("lint-imports"))],
    "tests": [PYTHON, "-m", "pytest", "-q"],
}
WORKERS_PER_CORE = 3
"""A test mostly waits for a real port, process or page, so three workers share a core."""


def main(arguments: list[str]) -> int:
    """Run every check, print how each ended, and return 1 if any failed."""
    # The tests start about a thousand processes, which share the compiled modules.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    is_fast = "--fast" in arguments
    failed = []
    for name, command in {"tests": CHECKS["tests"]}.items() if is_fast else CHECKS.items():
        began = time.monotonic()
        print(f"== {name}", flush=True)
        passed = _tests(command, arguments, is_fast) if name == "tests" else _runs(command)
        if not passed:
            failed.append(name)
        print(
            f"-- {name}: {'FAILED' if name in failed else 'ok'}, {time.monotonic() - began:.0f} s", flush=True
        )
    print("failed: " + ", ".join(failed) if failed else "all checks passed", flush=True)
    return 1 if failed else 0


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _tests(command: list[str], arguments: list[str], is_fast: bool) -> bool:
    workers = ["-n", str(_CORES if is_fast else WORKERS_PER_CORE * _CORES)]
    if "--full" in arguments:
        arguments = [argument for argument in arguments if argument != "--full"]
    elif "--seed" not in arguments:
        seed = random.randrange(10_000)
        print(f"   matrices are sampled: --seed {seed} repeats this sample, --full runs all", flush=True)
        workers += ["--seed", str(seed)]
    second_look = SecondLook(ROOT, passes_alone)
    second_look.begin()
    passed = _runs([*command, *workers, *arguments])
    if is_fast or not passed:
        return passed or (not is_fast and second_look.settle(is_whole=not arguments))
    if not arguments:
        second_look.passed()
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
