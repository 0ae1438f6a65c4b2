"""`stagelog doctor` run by an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.logger.command_line import ENVIRONMENT

_PROGRAM = """
import contextlib, io, os, sys
from logger.cli import main as cli
sys.argv = ["stagelog", "doctor", *sys.argv[1:]]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    cli.main()  # as root: whatever is imported late is imported while it may still be read
os.setgroups([]); os.setgid(65534); os.setuid(65534)
cli.main()
"""


def examined_by_nobody(config: Path) -> str:
    """The doctor's output as the user nobody. Skips without the right to change users."""
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    command = [sys.executable, "-c", _PROGRAM, "-c", str(config), "--seconds", "1.5"]
    done = subprocess.run(command, env=ENVIRONMENT, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout
