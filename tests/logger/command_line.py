"""Run `stagelog` as a user does: in a separate process, in its own folder."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
"""The program under test is this checkout's, whatever the working directory."""


class Ended(NamedTuple):
    """A command's output on each stream, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def complaints(self) -> list[str]:
        """The lines on standard error, without log lines of level INFO."""
        return [line for line in self.err.splitlines() if not line.startswith("INFO ")]

    @property
    def complaint(self) -> str:
        """The one line on standard error."""
        assert len(self.complaints) == 1, self.err
        return self.complaints[0]


def into_closed_pipe(*arguments: str, folder: Path) -> tuple[int, bytes]:
    """Exit code and standard error of `python -m logger` whose output goes to a pipe that never had a reader."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "logger", *arguments],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    return done.returncode, done.stderr


def within_cpu_s(limit_s: int) -> Callable[[], None]:
    """A `before` for `stagelog`: the kernel ends the verb after so much CPU time, as the machine may be busy."""
    return lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))


def stagelog(
    *arguments: str | bytes | Path,
    folder: Path,
    before: Callable[[], object] | None = None,
    patience_s: float = 300.0,
    starter: Sequence[str | Path] = ("-m", "logger"),
) -> Ended:
    """Run `python -m logger` with arguments in a folder; `before` runs in the process first.

    `starter` are Python's own arguments instead.
    """
    command: Sequence[str | bytes | Path] = (sys.executable, *starter, *arguments)
    done = subprocess.run(
        command,
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        timeout=patience_s,
        check=False,
        preexec_fn=before,
    )
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert "Traceback" not in err, err
    return Ended(done.returncode, out, err)
