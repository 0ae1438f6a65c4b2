"""A killed step leaves no process, no mount and no temporary file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEP = """
import os, subprocess, sys, tempfile
from pathlib import Path
from tests.pi.namespaces import enter, memory
enter(Path(sys.argv[1]))
if sys.argv[2:]:
    sys.exit(int(sys.argv[2]))
(Path(tempfile.mkdtemp()) / "large").write_bytes(b"x" * 1000)
(memory() / "large").write_bytes(b"x" * 1000)
subprocess.run(["sh", "-c", "setsid sleep 300 & echo ready; wait"])
"""
_ENDED_S = 60.0
"""Time in which no process has the pipe of its output any more."""


@pytest.fixture(autouse=True)
def _namespaces_exist() -> None:
    trial = ["unshare", "--mount", "--pid", "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    if subprocess.run(trial, capture_output=True, check=False).returncode:
        pytest.skip("mounts in namespaces need root")
    if not Path("/dev/loop-control").exists():
        pytest.skip("this machine has no loop devices")


def step(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STEP, str(folder), *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_the_kernel_ends_what_a_killed_step_has_started(tmp_path: Path) -> None:
    process = step(tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=_ENDED_S)
    assert process.returncode == -signal.SIGKILL
    assert [path for path in tmp_path.rglob("*") if path != tmp_path / "scratch"] == []
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_the_exit_code_is_that_of_the_step(tmp_path: Path) -> None:
    process = step(tmp_path, "7")
    process.communicate()
    assert process.returncode == 7
