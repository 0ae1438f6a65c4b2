"""A part of the tests on the Python of other Debian releases, in chroots of this machine's own processor."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.pi import roots
from tests.pi.processors import CHECKOUT, NETWORK, PROXIES, in_root

RELEASES = ("trixie", "forky")
"""Python 3.13 and 3.14."""


def pythons(folder: Path, releases: list[str]) -> bool:
    """Run `python -m tests.environments pythons` in each release. Returns whether all passed."""
    passed = True
    for release in releases:
        with roots.overlay(roots.native_root(folder, release)) as root:
            command = ["sh", "-c", f"cd {CHECKOUT} && exec python3 -m tests.environments pythons"]
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
            entering = in_root(root, command, CHECKOUT, *NETWORK)
            done = subprocess.run(entering, env=environment | PROXIES, check=False)
        print(f"{release}: {'passed' if done.returncode == 0 else 'FAILED'}", flush=True)
        passed &= done.returncode == 0
    return passed
