"""Everything that must hold before a change lands, in one command: `python -m tests`.

Format, lint, types, import contracts, then the tests themselves. Further arguments go to pytest.
"""

from __future__ import annotations

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


def main(arguments: list[str]) -> int:
    """Run every check, tell of each, and return 1 if any failed."""
    failed = []
    for name, command in CHECKS.items():
        began = time.monotonic()
        print(f"== {name}", flush=True)
        extra = arguments if name == "tests" else []
        if subprocess.run([*command, *extra], cwd=ROOT, check=False).returncode:
            failed.append(name)
        print(
            f"-- {name}: {'FAILED' if name in failed else 'ok'}, {time.monotonic() - began:.0f} s", flush=True
        )
    print("failed: " + ", ".join(failed) if failed else "all checks passed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
