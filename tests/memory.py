"""A process's memory, as the kernel counts it."""

from __future__ import annotations

from pathlib import Path


def resident_kb(pid: int | str = "self") -> int:
    """What it holds now."""
    return _of(pid, "VmRSS")


def peak_kb(pid: int | str = "self") -> int:
    """The most that it has held."""
    return _of(pid, "VmHWM")


def _of(pid: int | str, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
