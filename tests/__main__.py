"""Everything that must hold before a change lands, in one command: `python -m tests`.

Format, lint, types, import contracts, then the tests themselves. Further arguments go to pytest.

Many tests wait for real ports, processes and browsers with other tests beside them, and the machine may have
other work besides: a few that fail there are run once more, alone. They are named, and must pass then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable

CHECKS: dict[str, list[str]] = {
    "format": [PYTHON, "-m", "ruff", "format", "--check", "--quiet", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "--quiet", "."],
    "types": [PYTHON, "-m", "mypy"],
    "imports": [str(Path(PYTHON).with_name("lint-imports"))],
    # Most of the time a test waits for a real port, process or page: two share a core.
    "tests": [PYTHON, "-m", "pytest", "-q", "-n", str(2 * (os.cpu_count() or 1))],
}


MOST_AGAIN = 5
"""More failures than these are not the machine's."""
_LAST_FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"


def main(arguments: list[str]) -> int:
    """Run every check, tell of each, and return 1 if any failed."""
    failed = []
    for name, command in CHECKS.items():
        began = time.monotonic()
        print(f"== {name}", flush=True)
        passed = _tests(command, arguments) if name == "tests" else _runs(command)
        if not passed:
            failed.append(name)
        print(
            f"-- {name}: {'FAILED' if name in failed else 'ok'}, {time.monotonic() - began:.0f} s", flush=True
        )
    print("failed: " + ", ".join(failed) if failed else "all checks passed", flush=True)
    return 1 if failed else 0


def _runs(command: list[str]) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _tests(command: list[str], arguments: list[str]) -> bool:
    _LAST_FAILED.unlink(missing_ok=True)
    if _runs([*command, *arguments]):
        return True
    failures = sorted(json.loads(_LAST_FAILED.read_text())) if _LAST_FAILED.exists() else []
    if not 0 < len(failures) <= MOST_AGAIN:
        return False
    print(f"== {len(failures)} failed beside others; once more, alone:", *failures, sep="\n   ", flush=True)
    return _runs([PYTHON, "-m", "pytest", "-q", "-rA", *failures])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
