"""Machine: a power cut is one only if QEMU still runs."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.power_cuts.machine import Machine


def test_a_machine_that_runs_loses_its_power(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        Machine(process, tmp_path / "console").cut_power()
    assert process.returncode == -signal.SIGKILL


def test_a_machine_that_has_ended_is_no_power_cut(tmp_path: Path) -> None:
    with subprocess.Popen(["sh", "-c", "exit 3"]) as process:
        process.wait()
    (tmp_path / "console").write_text("reboot: Power down")
    with pytest.raises(RuntimeError, match=r"ended by itself with 3(.|\n)*Power down"):
        Machine(process, tmp_path / "console").cut_power()
