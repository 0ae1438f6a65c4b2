"""What is done to the recorder, and what it may cost.

Steps of the system clock are not among it: they need a machine of their own (F6 has what comes of a wrong clock).

    unplug   a source disappears and comes back as another device behind the same name
    garbage  up to 2 kB of noise among a source's bytes
    freeze   SIGSTOP, then SIGCONT: the recorder gets no processor, bytes wait in the ports
    card     somebody else holds the log's write lock: the card takes nothing
    reader   somebody reads the log from one end to the other, slowly
    kill     SIGKILL, and a start
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
"""Seconds before a fault from which rows may be lost. Of an unplugged device those that lay in its cable; after a kill
`max_loss_s`."""
AFTER_S = {"unplug": 5.0, "garbage": 0.1, "freeze": 0.0, "card": 0.0, "reader": 0.0, "kill": 8.0}
"""And seconds after its end, while a port is opened again."""
GARBAGE_COSTS = 2
"""Frames a fault, by F12."""
COST_NOTHING = ("freeze", "card", "reader")
"""Bytes wait in the ports, rows in the queue: not one is lost, not even in the middle of it."""
_CARD_S, _FREEZE_S, _AWAY_S = (0.5, 4.0), (0.3, 3.0), (0.2, 3.0)


class Fault(NamedTuple):
    """One that was done. `source` is None where both are concerned."""

    kind: str
    source: str | None
    began: float
    ended: float


class Victim:
    """The recorder's process, started again when it was killed."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config, self.log = config, log
        self.starts = 0
        self.start()

    def start(self) -> None:
        """`stagelog run`."""
        command = [sys.executable, "-m", "logger", "run", "-c", str(self._config)]
        with self._config.with_name("said.txt").open("ab") as said:
            self.process = subprocess.Popen(command, stderr=said)
        self.starts += 1
        patience = time.monotonic() + 30
        while self.sessions() < self.starts and time.monotonic() < patience:
            time.sleep(0.05)

    def sessions(self) -> int:
        """How often the log was begun or gone on with."""
        try:
            with contextlib.closing(sqlite3.connect(f"{self.log.as_uri()}?mode=ro", uri=True)) as connection:
                return int(connection.execute("SELECT count(*) FROM session").fetchone()[0])
        except sqlite3.Error:
            return 0

    def resident_kb(self) -> int:
        """Its memory."""
        return resident_kb(self.process.pid)


def do(kind: str, victim: Victim, sources: dict[str, Source], chance: random.Random) -> Fault:
    """Do one and wait for its end."""
    name = chance.choice(sorted(sources))
    began = time.monotonic()
    match kind:
        case "unplug":
            sources[name].unplug()
            time.sleep(chance.uniform(*_AWAY_S))
            sources[name].plug()
        case "garbage":
            sources[name].disturb(chance.randbytes(chance.randrange(1, 2000)))
            time.sleep(0.1)
        case "freeze":
            victim.process.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(*_FREEZE_S))
            victim.process.send_signal(signal.SIGCONT)
        case "card":
            _hold_lock(victim.log, chance.uniform(*_CARD_S))
        case "reader":
            _read_slowly(victim.log)
        case "kill":
            victim.process.kill()
            victim.process.wait()
            victim.start()
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
