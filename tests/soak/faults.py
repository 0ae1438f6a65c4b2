"""Inject faults into a running recorder, with bounds on the loss that each may cause.

    unplug   a source disappears and returns as another device with the same name
    garbage  up to 2 kB of noise among a source's bytes
    freeze   SIGSTOP, then SIGCONT: the recorder does not run, and bytes wait in the ports
    card     another process holds the log's write lock, as if the card accepted no writes
    reader   another connection reads the log slowly from start to end
    kill     SIGKILL, then a restart

Steps of the system clock need a machine of their own; F6 tests a wrong clock.
"""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.memory import resident_kb
from tests.soak.sources import Source

MAY_LOSE_S = {"unplug": 0.5, "garbage": 0.1, "freeze": 0.0, "card": 0.0, "reader": 0.0, "kill": 1.0}
"""Seconds before a fault from which rows may be lost: after an unplug those still in the cable, after a kill
`max_loss_s`."""
AFTER_S = {"unplug": 5.0, "garbage": 0.1, "freeze": 0.0, "card": 0.0, "reader": 0.0, "kill": 8.0}
"""Seconds after a fault's end in which rows may be lost, while a port is opened again."""
GARBAGE_COSTS = 2
"""Frames that one fault may cost, as in F12."""
COST_NOTHING = ("freeze", "card", "reader")
"""Faults without any loss: bytes wait in the ports, rows in the queue."""
_CARD_S, _FREEZE_S, _AWAY_S = (0.5, 4.0), (0.3, 3.0), (0.2, 3.0)


class Fault(NamedTuple):
    """A fault that was injected. `source` is None if it concerns both sources."""

    kind: str
    source: str | None
    began: float
    ended: float


class RecorderProcess:
    """The recorder's process, restarted after each kill."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config, self.log = config, log
        self.starts = 0
        self.start()

    def start(self) -> None:
        """Start `stagelog run` and wait for the new session in the log."""
        command = [sys.executable, "-m", "logger", "run", "-c", str(self._config)]
        with self._config.with_name("stderr.txt").open("ab") as output:
            self.process = subprocess.Popen(command, stderr=output)
        self.starts += 1
        deadline = time.monotonic() + 30
        while self.sessions() < self.starts and time.monotonic() < deadline:
            time.sleep(0.05)

    def sessions(self) -> int:
        """Number of sessions in the log."""
        try:
            with contextlib.closing(sqlite3.connect(f"{self.log.as_uri()}?mode=ro", uri=True)) as connection:
                return int(connection.execute("SELECT count(*) FROM session").fetchone()[0])
        except sqlite3.Error:
            return 0

    def resident_kb(self) -> int:
        """Resident memory of the recorder, in kB."""
        return resident_kb(self.process.pid)


def inject(kind: str, recorder: RecorderProcess, sources: dict[str, Source], rng: random.Random) -> Fault:
    """Inject a fault and wait for its end."""
    name = rng.choice(sorted(sources))
    began = time.monotonic()
    match kind:
        case "unplug":
            sources[name].unplug()
            time.sleep(rng.uniform(*_AWAY_S))
            sources[name].plug()
        case "garbage":
            sources[name].disturb(rng.randbytes(rng.randrange(1, 2000)))
            time.sleep(0.1)
        case "freeze":
            recorder.process.send_signal(signal.SIGSTOP)
            time.sleep(rng.uniform(*_FREEZE_S))
            recorder.process.send_signal(signal.SIGCONT)
        case "card":
            _hold_lock(recorder.log, rng.uniform(*_CARD_S))
        case "reader":
            _read_slowly(recorder.log)
        case "kill":
            recorder.process.kill()
            recorder.process.wait()
            recorder.start()
    concerned = name if kind in ("unplug", "garbage") else None
    return Fault(kind, concerned, began, time.monotonic())


def _hold_lock(log: Path, seconds: float) -> None:
    connection = sqlite3.connect(log, isolation_level=None, timeout=10)
    with contextlib.closing(connection):
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        connection.execute("ROLLBACK")


def _read_slowly(log: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT * FROM frame")
        for _ in range(30):
            rows.fetchmany(1000)
            time.sleep(0.1)
