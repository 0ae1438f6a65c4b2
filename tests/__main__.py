"""Everything that must hold before a change lands, in one command: `python -m tests`.

Format, lint, types, import contracts, then the tests themselves. `--fast` leaves out all tests but those that need
the processor alone (marked `unit`), `--full` runs large matrices whole (tests/sampling.py). Further arguments go to
pytest.
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
WORKERS_PER_CORE = 2
"""Most of the time a test waits for a real port, process or page: two share a core."""


def main(arguments: list[str]) -> int:
    """Run every check, print how each ended, and return 1 if any failed."""
    # The tests start some thousand processes: what is compiled once is kept.
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
        arguments = [each for each in arguments if each != "--full"]
    elif "--seed" not in arguments:
        seed = random.randrange(10_000)
        print(f"   matrices are sampled: --seed {seed} runs the same again, --full runs all", flush=True)
        workers += ["--seed", str(seed)]
    looks = SecondLook(ROOT, passes_alone)
    looks.begin()
    passed = _runs([*command, *workers, *arguments])
    if is_fast or not passed:
        return passed or (not is_fast and looks.settle(is_whole=not arguments))
    if not arguments:
        looks.passed()
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
