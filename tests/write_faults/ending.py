"""Measure how long a process takes to end after a signal, without the time that it waited for a CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_LOOK_S = 0.01


def cpu_s(pid: int) -> float:
    """CPU time of a process that runs or has not been reaped."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def end(process: subprocess.Popen[str], number: signal.Signals) -> float:
    """Send a signal and wait for the end. Ctrl-C (SIGINT) goes to the whole group, as from a terminal.

    Returns the wall time in s, minus the time that the process and its longest waiting child were ready to run but had
    no CPU. Sleeping and computing count in full.
    """
    before = now = _waiting_ns(process.pid)
    began_s = time.monotonic()
    (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
    while process.poll() is None and time.monotonic() - began_s < 20:
        now = now | _waiting_ns(process.pid)
        time.sleep(_LOOK_S)
    took_s = time.monotonic() - began_s
    waited = [(pid, ns - before.get((pid, task), 0)) for (pid, task), ns in now.items()]
    own = max((ns for pid, ns in waited if pid == process.pid), default=0)
    longest_child = max((ns for pid, ns in waited if pid != process.pid), default=0)
    return took_s - (own + longest_child) / 1e9


def _waiting_ns(pid: int) -> dict[tuple[int, int], int]:
    """Time in ns that each thread of a process and its children was ready to run without a CPU."""
    waiting: dict[tuple[int, int], int] = {}
    with suppress(OSError, ValueError, IndexError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            waiting[pid, int(task.name)] = int((task / "schedstat").read_text().split()[1])
            for child in (task / "children").read_text().split():
                waiting |= _waiting_ns(int(child))
    return waiting
