"""A fault at one system call of a real process: strace makes the n-th write fail, or kills the process there.

A run without faults is traced first. It names every system call below a folder that changes something there, and
each of them is a place for a fault.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.logger.command_line import ENVIRONMENT, Ended

WRITES = ("write", "pwrite64", "writev", "sendfile", "copy_file_range")
MAKES = ("openat", "mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat", "ftruncate")
PLACES = ("fsync", "fdatasync", "rename", "renameat", "renameat2")
OWNS = ("fchown", "fchownat", "fchmod", "fchmodat")
CHANGES = (*WRITES, *MAKES, *PLACES, *OWNS, "unlink", "unlinkat", "rmdir")
_CALL = re.compile(r"(?P<task>\d+) +(?P<name>\w+)\((?P<arguments>.*)")
_NAMES = re.compile(r"[/\"]([^/<>\"]+)[>\"]")
"""The last part of each path; data is not traced."""
_VARIES = re.compile(r"[0-9a-f-]*\d[0-9a-f-]*")
_NAME = re.compile(r'[^"/]*"')
_SAME_EVERY_TIME = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
"""So that the n-th call of one run is the n-th of the next."""

_FAST = "--seccomp-bpf"
"""Stops at the traced calls alone; strace 6.1 sends no signal with it."""


class Place(NamedTuple):
    """The `number`-th `call` of a task, counted from 1; `text` is what it did there."""

    call: str
    number: int
    text: str


class Fault(NamedTuple):
    """What goes wrong at a place: `how` is "full" or "killed"."""

    how: str
    place: Place

    def __str__(self) -> str:
        return f"{self.how} at {self.place.call} {self.place.number}: {self.place.text[:150]}"

    @property
    def injection(self) -> str:
        """As strace takes it."""
        what = (
            "error=ENOSPC" if self.how == "full" else "error=EIO:signal=SIGKILL"
        )  # killed before it is done
        return f"inject={self.place.call}:{what}:when={self.place.number}"


def require_strace() -> str:
    """The program; skips, with the reason, where it is missing or may trace nothing."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace may not trace here: {tried.stderr.strip()}")
    return strace


def traced(arguments: Sequence[str | Path], folder: Path, *options: str) -> Ended:
    """`stagelog` with these arguments, in a folder, below strace with these options."""
    command: list[str | Path] = [require_strace(), "-f", "-qq", "-e", "signal=none", *options]
    done = subprocess.run(
        [*command, sys.executable, "-m", "logger", *arguments],
        cwd=folder,
        env=ENVIRONMENT | _SAME_EVERY_TIME,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def places(
    arguments: Sequence[str | Path], folder: Path, below: Path, *, only_own: bool = False
) -> tuple[list[Place], Ended]:
    """Run a verb without a fault; every call of it (of its first task, if `only_own`) that changes something below."""
    trace = folder.parent / f"{folder.name}.trace"
    ended = traced(
        arguments, folder, _FAST, "-y", "-s", "0", "-o", str(trace), "-e", f"trace={','.join(CHANGES)}"
    )
    named = [str(below)]
    if below.is_relative_to(folder):
        named.append(f'"{below.relative_to(folder)}/')
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    first = ""
    for line in trace.read_text(errors="replace").splitlines():
        call = _CALL.match(line)
        if call is None:
            continue
        task, name = call["task"], call["name"]
        counts[task, name] += 1
        first = first or task
        if only_own and task != first:
            continue
        changes = name != "openat" or "O_CREAT" in line
        if changes and any(name in line for name in named):
            found.append(Place(name, counts[task, name], call["arguments"]))
    return found, ended


def sites(found: Sequence[Place]) -> list[Place]:
    """The places that differ: of a call on a kind of file after another such, the first, a middle and the last.

    Pages of one database and columns of one table are written by one line of the program, hundreds of times.
    """
    kinds = [(place.call, _kind_of_file(place.text)) for place in found]
    alike: dict[object, list[Place]] = {}
    for place, pair in zip(found, zip([None, *kinds], kinds, strict=False), strict=True):
        alike.setdefault(pair, []).append(place)
    chosen = {group[at] for group in alike.values() for at in (0, len(group) // 2, -1)}
    return [place for place in found if place in chosen]


def _kind_of_file(text: str) -> str:
    """The names in a call, without what differs from file to file: digits, and random letters among them."""
    return " ".join(_VARIES.sub("#", name) for name in _NAMES.findall(text)[:2])


def faults_at(found: Sequence[Place]) -> list[Fault]:
    """A full disk wherever one can be met, and a kill everywhere."""
    found = list(
        {(place.call, place.number): place for place in found}.values()
    )  # threads have the same numbers
    made, full = set(), []
    for place in found:
        if place.call == "openat":  # a file that is there already opens on a full disk too
            name = _NAME.search(place.text)
            if name is None or name[0] in made:
                continue
            made.add(name[0])
        if place.call in (*WRITES, *MAKES, *PLACES):
            full.append(Fault("full", place))
    return [*full, *(Fault("killed", place) for place in found)]


def with_fault(fault: Fault, arguments: Sequence[str | Path], folder: Path) -> Ended:
    """Run a verb with a fault."""
    trace = f"trace={fault.place.call}"
    fast = (_FAST,) if fault.how == "full" else ()
    return traced(arguments, folder, *fast, "-o", os.devnull, "-e", trace, "-e", fault.injection)
