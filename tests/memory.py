"""Memory of a process, from /proc/PID/status."""

from __future__ import annotations

from pathlib import Path


def resident_kb(pid: int | str = "self") -> int:
    """Resident memory now, in kB."""
    return _status_kb(pid, "VmRSS")


def peak_kb(pid: int | str = "self") -> int:
    """Peak resident memory, in kB."""
    return _status_kb(pid, "VmHWM")


def _status_kb(pid: int | str, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
