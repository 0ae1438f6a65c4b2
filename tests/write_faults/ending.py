"""How long a process that was sent a signal takes to end, without what a busy machine made it wait."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

_LOOK_S = 0.01


def cpu_s(pid: int) -> float:
    """Processor time of a process that has not been waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def end(process: subprocess.Popen[str], number: signal.Signals) -> float:
    """Send a signal and wait for the end; Ctrl-C goes to the whole group, as a terminal's does.

    The seconds returned are those of the clock, less those that the process, and the one of its children that waited
    longest, were ready to run and had no processor. A process that sleeps or computes is excused nothing.
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
    """By process and thread, itself and its children: how long each was ready to run and did not."""
    found: dict[tuple[int, int], int] = {}
    with suppress(OSError, ValueError, IndexError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found[pid, int(task.name)] = int((task / "schedstat").read_text().split()[1])
            for child in (task / "children").read_text().split():
                found |= _waiting_ns(int(child))
    return found
