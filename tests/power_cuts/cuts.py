"""One power cut: boot, record, cut at a random moment, check the disk and the log on it."""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

from logger.logfile.open_or_quarantine import open_log
from logger.logfile.verify import verify
from tests.power_cuts import disk
from tests.power_cuts.images import Guest, make_blank, make_program
from tests.power_cuts.loss import MAX_LOSS_S, Loss, kept_frames
from tests.power_cuts.machine import Adapter, Machine, Plug, running
from tests.power_cuts.pulse import Pulse

RATE = 200
"""Frames per second that an emulated processor can read, at 4.4 kB/s."""
_BOOT_S = 600.0
_LATEST_S = 12.0
"""Latest time of a cut after the bus was opened."""
_WHILE_STARTING = 0.2
"""Share of the cuts that come between power-on and recording."""
_STARTING_S = 20.0
LOG = "power-cuts-1-car-501-001.db"
ITINERARY = """
[stage]
event = "Power cuts"
number = 1
name = "In the dark"
date = 2026-01-15

[[section]]
kind = "selective"
name = "SS1"
length_km = 100.0
"""


class Outcome(NamedTuple):
    """Result of one cut."""

    after_s: float
    """Time from the opening of the bus to the cut; if it was not open yet, negative, from power-on."""
    loss: Loss
    still_s: float
    """The guest's longest pause, caused by a busy host."""
    quiet_s: float
    """Time since the guest's last write to the disk."""
    writes: disk.Cut
    sessions: int
    moments: int
    """Number of further moments of the same run that were checked as if the power had been cut then."""
    problems: list[str]
    repaired: int = 0
    """How many of these moments and the cut itself left a disk that needed e2fsck -y."""

    @property
    def is_sound(self) -> bool:
        """Whether the disk and the log are whole and the loss is within the bound."""
        return not self.problems and self.loss.lost_s <= MAX_LOSS_S


class Car:
    """The machine's disks and its adapter, from one cut to the next."""

    def __init__(
        self,
        guest: Guest,
        folder: Path,
        seed: int,
        moments: int,
        keep: Path | None = None,
        others: Mapping[str, Plug] = MappingProxyType({}),
    ) -> None:
        """`folder` has the disks program.ext4 and logs.ext4, and `others` are further devices on the USB.

        `keep` is a folder for the disk, its journal and the console of a cut that fails.
        """
        self._guest, self._folder, self._moments, self._keep = guest, folder, moments, keep
        self._rng = random.Random(seed)
        self._program, self._logs = folder / "program.ext4", folder / "logs.ext4"
        self._adapter = Adapter(folder / "engine.socket", RATE)
        self._plugs: Mapping[str, Plug] = {"engine": self._adapter, **others}
        self._sessions = 0
        self._repaired = 0

    @classmethod
    def of_checkout(
        cls, guest: Guest, folder: Path, seed: int, moments: int, keep: Path | None = None
    ) -> Self:
        """A car with new disks in `folder` that runs this checkout."""
        make_program(folder / "program.ext4", ITINERARY)
        make_blank(folder / "logs.ext4")
        return cls(guest, folder, seed, moments, keep)

    def cut(self) -> Outcome:
        """Boot, record, cut the power, and check."""
        self._repaired = 0
        before, journal = self._folder / "before.ext4", self._folder / "journal"
        disk.copy_sparse(self._logs, before)
        adapter, pulse = self._adapter, Pulse(self._folder / "pulse.socket")
        sockets = {name: self._folder / f"{name}.socket" for name in self._plugs}
        with running(
            self._guest, self._program, self._logs, journal, sockets, self._folder / "pulse.socket"
        ) as machine:
            began = time.monotonic()
            try:
                for plug in self._plugs.values():
                    plug.plug()
                pulse.listen()
                self._await_moment(machine, began)
                at = machine.cut_power()
                quiet_s = time.time() - journal.stat().st_mtime
                pulse.stop()
            finally:
                for plug in self._plugs.values():
                    plug.unplug()
        try:
            written = list(disk.writes(journal))
        except (
            RuntimeError
        ) as hole:  # an error of QEMU, not of the guest: the next run starts from the disk before this one
            before.replace(self._logs)
            return _without_result(str(hole), self._sessions)
        problems = [problem for _ in range(self._moments) for problem in self._other_moment(written)]
        writes = disk.cut_power(before, written, self._rng)
        before.replace(self._logs)
        opened = adapter.opened_at
        after_s = at - opened if opened else began - at
        outcome = self._outcome(after_s, at, pulse, writes, problems)
        outcome = outcome._replace(quiet_s=quiet_s, repaired=self._repaired)
        if self._keep is not None and not outcome.is_sound:
            self._keep.mkdir(parents=True, exist_ok=True)
            for name in ("journal", "console", "logs.ext4"):
                shutil.copy(self._folder / name, self._keep / f"{outcome.sessions}-{name}")
        return outcome

    def _await_moment(self, machine: Machine, began: float) -> None:
        """Wait until a random moment. RuntimeError if the machine does not record."""
        if self._rng.random() < _WHILE_STARTING:
            time.sleep(self._rng.uniform(0.0, _STARTING_S))
        else:
            while self._adapter.opened_at is None:
                if not machine.is_running() or time.monotonic() > began + _BOOT_S:
                    raise RuntimeError(f"the bus was not opened:\n{machine.console_text()[-2000:]}")
                time.sleep(0.05)
            time.sleep(self._rng.uniform(0.0, _LATEST_S))
        if not machine.is_running() or "the recorder ended" in machine.console_text():
            raise RuntimeError(f"the guest did not record:\n{machine.console_text()[-2000:]}")

    def _other_moment(self, written: list[disk.Write]) -> list[str]:
        """Problems after a cut at another moment of this run."""
        image, place = self._folder / "moment.ext4", self._folder / "moment"
        disk.copy_sparse(self._folder / "before.ext4", image)
        end = self._rng.randrange(len(written) + 1)
        disk.cut_power(image, written[:end], self._rng)
        problems, log = self._examined(disk.check(image, place, self._guest.logs))
        if log is not None:
            _, sessions, holes = kept_frames(log, self._adapter.first)
            problems += holes
            if sessions - self._sessions not in (0, 1):
                problems.append(f"{sessions} sessions after {self._sessions}")
        shutil.rmtree(place)
        return [f"after write {end} of {len(written)}: {problem}" for problem in problems]

    def _outcome(
        self, after_s: float, at: float, pulse: Pulse, writes: disk.Cut, problems: list[str]
    ) -> Outcome:
        place = self._folder / "checked"
        disk_problems, log = self._examined(disk.check(self._logs, place, self._guest.logs))
        kept, sessions, holes = (0, 0, []) if log is None else kept_frames(log, self._adapter.first)
        problems = problems + disk_problems + holes
        if sessions - self._sessions not in (0, 1):
            problems.append(f"{sessions} sessions after {self._sessions}")
        self._sessions = sessions
        loss = Loss.of(self._adapter, pulse, kept, at)
        if not loss.is_reported:
            problems.append("no report from the guest")
        shutil.rmtree(place)
        still_s = pulse.longest_pause_s(at)
        return Outcome(after_s, loss, still_s, 0.0, writes, sessions, self._moments, problems)

    def _examined(self, checked: disk.Checked) -> tuple[list[str], Path | None]:
        """Problems of a disk and the log on it; and the log, or None if it is missing or empty."""
        self._repaired += checked.is_repaired
        problems = [] if checked.is_clean else [f"e2fsck: {checked.output}"]
        names = {path.name for path in checked.logs.glob("*")} - {"lost+found"}
        if any(not name.startswith(LOG) or ".damaged" in name for name in names):
            problems.append(f"other files beside the log: {sorted(names)}")
        log = checked.logs / LOG
        if not self._sessions and not _has_begun(log):
            return problems, None
        return problems + verify(log), log


def _without_result(reason: str, sessions: int) -> Outcome:
    """The outcome of a cut that could not be checked."""
    nothing = disk.Cut(0, 0, 0)
    return Outcome(0.0, Loss(0, 0, 0.0, 0.0), 0.0, 0.0, nothing, sessions, 0, [f"not checked: {reason}"])


def _has_begun(log: Path) -> bool:
    """Whether the first session was in the log before the cut; otherwise there was nothing to lose."""
    if not log.exists():
        return False
    if log.with_name(f"{log.name}-journal").exists():
        # Cut during the creation of the log: only a connection that can write can roll the journal back.
        opened, quarantined = open_log(log)
        opened.close()
        return quarantined is not None
    connection = sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)
    try:
        if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'session'").fetchone()[0]:
            return False
        return bool(connection.execute("SELECT count(*) FROM session").fetchone()[0])
    finally:
        connection.close()
