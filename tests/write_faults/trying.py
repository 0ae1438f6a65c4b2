"""Run a verb with one write fault, and check everything that must hold afterwards."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path

from tests.logger.command_line import stagelog
from tests.write_faults.cases import Case
from tests.write_faults.faults import Fault, faults_at, places, run_with_fault, sites

_FULL = (
    "o space left|disk is full|it is full|make room|check the folder and its free space"  # the last: of -shm
)
_CHILD_KILLED = "process was killed|process was ended: signal 9"
_TRIES = 3
"""The n-th file that a run opens is another one if a module was compiled since the run without a fault."""
EXIT_FOUND_WRONG, EXIT_IO, EXIT_NO_DEVICE = 1, 74, 69


class Trial:
    """A case that runs in copies of a template: first without a fault, then once per call of `run`.

    `faults` are the faults at places that differ, `every` those at all places.
    """

    def __init__(self, case: Case, template: Path, scratch: Path) -> None:
        self._case = case
        self._scratch = scratch / case.name.replace(" ", "-")
        self._scratch.mkdir()
        self._prepared = self._scratch / "prepared"
        shutil.copytree(template, self._prepared)
        (self._prepared / "out").mkdir()
        case.prepare(self._prepared)
        self._clean = folder = self._fresh("clean")
        below = case.near or folder / case.writes
        calls, ended = places(case.arguments, folder, below, only_own=case.only_own)
        assert ended.code == 0, ended
        case.check(folder)
        self.every, self.faults = faults_at(calls), faults_at(sites(calls))
        self._names = self._file_names(folder)
        assert self.faults, "the verb wrote nothing to the expected folder"

    def run(self, fault: Fault) -> bool:
        """Run with a fault. Returns whether it hit its call. AssertionError if it did harm or was reported badly."""
        for _ in range(_TRIES):
            folder = self._fresh("faulty")
            ended, is_hit = run_with_fault(fault, self._case.arguments, folder, self._clean)
            if is_hit or fault.how == "killed" or fault.place.call != "openat":
                break
        else:
            return False  # it hit a file that is read, which a full disk does not prevent
        assert "Traceback" not in ended.err, ended.err
        if fault.how == "killed":
            is_worker = ended.code == EXIT_IO and re.search(_CHILD_KILLED, ended.complaints[-1])
            assert ended.code == -signal.SIGKILL or is_worker, ended
        elif (
            self._case.near and ended.code == EXIT_FOUND_WRONG
        ):  # the fault occurs once, and the next log is copied
            assert "not copied: No space left on device" in ended.out, ended
        elif ended.code:  # an error in an optional step, such as a probe, does not fail the verb
            assert ended.code in {EXIT_IO, EXIT_NO_DEVICE}, ended
            last = ended.complaints[-1]  # warnings about the input may come first
            assert re.match(f"stagelog: [^:]*{self._case.reported}", last), last
            assert sum(line.startswith("stagelog: ") for line in ended.complaints) == 1, ended.err
            assert re.search(_FULL, last), last
            assert ";" in last, f"no hint: {last}"
        self._case.check(folder)
        if fault.how == "full":
            extra = self._file_names(folder) - self._names
            assert not {name for name in extra if not name.endswith(".part") or self._leaves_no_part}, extra
        again = stagelog(*self._case.arguments, folder=folder)
        is_made = "a log with this name exists" in again.err  # the fault came after the rename
        assert again.code == 0 or is_made, again
        self._case.check(folder)
        assert self._file_names(folder) == self._names, "leftovers after the next run"
        shutil.rmtree(folder)
        return is_hit

    @property
    def _leaves_no_part(self) -> bool:
        """Whether the verb removes its partial file; a download keeps it and resumes."""
        return "fetch" not in self._case.name

    def _fresh(self, name: str) -> Path:
        folder = self._scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._prepared, folder)
        if self._case.near:  # outside of the folder
            self._case.prepare(folder)
        return folder

    def _file_names(self, folder: Path) -> set[str]:
        names: set[str] = set()
        for top in (folder, *([self._case.near] if self._case.near else [])):
            names |= {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}
        return {name for name in names if not re.fullmatch(self._case.ignored, Path(name).name)}
