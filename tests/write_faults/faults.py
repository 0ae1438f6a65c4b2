"""Inject a fault at one system call with strace: the n-th write fails, or the process is killed.

A first run without faults is traced. Every system call that changes something in a folder is a place for a fault.
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
"""Matches the last part of each path; data is not traced."""
_VARIES = re.compile(r"[0-9a-f-]*\d[0-9a-f-]*")
_NAME = re.compile(r'[^"/]*"')
_REPEATABLE = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
"""Environment in which the n-th call of one run is the n-th of the next."""

_FAST = "--seccomp-bpf"
"""Stops only at the traced calls; with it strace 6.1 cannot send a signal."""


class Place(NamedTuple):
    """The `number`-th `call` of a task, counted from 1; `text` is its arguments."""

    call: str
    number: int
    text: str


class Fault(NamedTuple):
    """A fault at a place: `how` is "full" or "killed"."""

    how: str
    place: Place

    def __str__(self) -> str:
        return f"{self.how} at {self.place.call} {self.place.number}: {self.place.text[:150]}"

    @property
    def injection(self) -> str:
        """The fault as an expression of strace."""
        what = (
            "error=ENOSPC" if self.how == "full" else "error=EIO:signal=SIGKILL"
        )  # killed before the call is executed
        return f"inject={self.place.call}:{what}:when={self.place.number}"


def require_strace() -> str:
    """The path of strace. Skips the test with a reason if it is missing or not permitted."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([strace, "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"strace is not permitted to trace: {tried.stderr.strip()}")
    return strace


def traced(arguments: Sequence[str | Path], folder: Path, *options: str) -> Ended:
    """Run `stagelog` with these arguments in a folder, under strace with these options."""
    command: list[str | Path] = [require_strace(), "-f", "-qq", "-e", "signal=none", *options]
    done = subprocess.run(
        [*command, sys.executable, "-m", "logger", *arguments],
        cwd=folder,
        env=ENVIRONMENT | _REPEATABLE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def places(
    arguments: Sequence[str | Path], folder: Path, below: Path, *, only_own: bool = False
) -> tuple[list[Place], Ended]:
    """Run a verb without a fault. Returns its calls (of its first task, if `only_own`) that change files in `below`."""
    trace = folder.parent / f"{folder.name}.trace"
    ended = traced(
        arguments, folder, _FAST, "-y", "-s", "0", "-o", str(trace), "-e", f"trace={','.join(CHANGES)}"
    )
    named = [str(below)]
    if below.is_relative_to(folder):
        named.append(f'"{below.relative_to(folder)}/')
    counts: Counter[tuple[str, str]] = Counter()
    calls = []
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
            calls.append(Place(name, counts[task, name], call["arguments"]))
    return calls, ended


def sites(calls: Sequence[Place]) -> list[Place]:
    """The places that differ: the first, a middle and the last one of each group of similar calls.

    One line of the program writes hundreds of pages of a database or columns of a table.
    """
    kinds = [(place.call, _kind_of_file(place.text)) for place in calls]
    groups: dict[object, list[Place]] = {}
    for place, pair in zip(calls, zip([None, *kinds], kinds, strict=False), strict=True):
        groups.setdefault(pair, []).append(place)
    chosen = {group[at] for group in groups.values() for at in (0, len(group) // 2, -1)}
    return [place for place in calls if place in chosen]


def _kind_of_file(text: str) -> str:
    """The file names in a call, without their variable parts: digits, and random letters among them."""
    return " ".join(_VARIES.sub("#", name) for name in _NAMES.findall(text)[:2])


def faults_at(calls: Sequence[Place]) -> list[Fault]:
    """A full disk at each call that can find one, and a kill at each call."""
    calls = list(
        {(place.call, place.number): place for place in calls}.values()
    )  # threads count separately, so numbers repeat
    made, full = set(), []
    for place in calls:
        if place.call == "openat":  # opening an existing file succeeds on a full disk
            name = _NAME.search(place.text)
            if name is None or name[0] in made:
                continue
            made.add(name[0])
        if place.call in (*WRITES, *MAKES, *PLACES):
            full.append(Fault("full", place))
    return [*full, *(Fault("killed", place) for place in calls)]


def run_with_fault(
    fault: Fault, arguments: Sequence[str | Path], folder: Path, clean: Path
) -> tuple[Ended, bool]:
    """Run a verb with a fault. Returns also whether it hit the call that it is meant for.

    strace counts the calls of each task, so a fault in a worker may hit another process that makes as many calls first.
    `clean` is the folder of the run without a fault.
    """
    trace = folder.parent / f"{folder.name}.trace"
    fast = (_FAST,) if fault.how == "full" else ()
    ended = traced(
        arguments, folder, *fast, "-y", "-s", "0", "-o", str(trace),
        "-e", f"trace={fault.place.call}", "-e", fault.injection,
    )  # fmt: skip
    kind = _kind_of_file(fault.place.text)
    calls = trace.read_text(errors="replace").replace(str(folder), str(clean)).splitlines()
    hit = [call for call in calls if call.endswith(("(INJECTED)", "= ?", "<unfinished ...>"))]
    return ended, any(_kind_of_file(call.partition("(")[2]) == kind for call in hit)
