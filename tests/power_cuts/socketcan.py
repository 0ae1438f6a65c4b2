"""SocketCAN in a virtual machine: virtual interfaces, and two emulated controllers on one bus.

socketcan_guest.sh is the sequence of events; this module runs the guest once and compares its log with what was sent.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from logger.logfile.verify import verify
from tests.power_cuts import disk
from tests.power_cuts.cuts import ITINERARY, LOG
from tests.power_cuts.images import Guest, make_blank, make_program
from tests.power_cuts.machine import running

CONFIG = """
[car]
number = 501

[log]
directory = "/var/lib/stagelog/logs"
max_loss_s = 1.0
min_free_mb = 16

[[can]]
name = "engine"
port = "can0"
protocol = "socketcan"
bitrate = 500000

[[can]]
name = "body"
port = "vcan0"
protocol = "socketcan"

[stage]
itinerary = "stage.toml"

[live]
socket = "/run/stagelog.sock"
"""
FILES = ("socketcan_guest.sh", "socketcan_sender.py", "socketcan_probe.py")
CONTROLLERS = ("-object", "can-bus,id=bus", *("-device", "kvaser_pci,canbus=bus") * 2)
SENT = {0: 600, 16: 19_400}
"""Sent frames per bus number in the log: engine, body."""
TIMED = 1400
"""Number of first frames on the body's bus during which the processor is idle enough to judge times."""
_BOOT_AND_RUN_S = 1500.0


def run(guest: Guest, folder: Path) -> list[str]:
    """Run the guest once. Prints the results; returns the problems."""
    program, logs = folder / "program.ext4", folder / "logs.ext4"
    make_program(program, ITINERARY, config=CONFIG, init=FILES[0], more=FILES)
    make_blank(logs)
    with running(guest, program, logs, folder / "journal", {}, more=CONTROLLERS) as machine:
        machine.wait_for_text("= done", _BOOT_AND_RUN_S)
        output = machine.console_text()
        machine.cut_power()
    print("\n".join(line for line in output.splitlines() if line.startswith(("=", "OK", "NOTE", "WRONG"))))
    checked = disk.check(logs, folder / "checked")
    log = checked.logs / LOG
    problems = [line for line in output.splitlines() if line.startswith("= never")]
    if "= the recorder ended with 0" not in output:
        problems.append("the recorder did not end with exit code 0")
    if problems:
        problems.append(output[-3000:])
    return problems + (verify(log) if checked.is_clean else [checked.output]) + _problems_in(log)


def _problems_in(log: Path) -> list[str]:
    problems: list[str] = []
    with contextlib.closing(sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)) as connection:
        for bus, sent in SENT.items():
            rows = connection.execute(
                "SELECT t_us, can_id, data FROM frame WHERE bus = ? AND can_id & 0x1FFFFFFF = 0x123 ORDER BY rowid",
                (bus,),
            ).fetchall()
            numbers = [struct.unpack("<I", data[:4])[0] for _, _, data in rows]
            if numbers != list(range(sent)):
                holes = [(a, b) for a, b in pairwise([-1, *numbers, sent]) if b - a != 1]
                problems.append(f"bus {bus}: {len(numbers)} of {sent} frames, holes {holes[:10]}")
            fd = sum(can_id >> 32 != 0 for _, can_id, _ in rows)
            print(f"bus {bus}: {len(rows)} of {sent} frames in the log, {fd} of them FD")
            problems += _times(bus, [(t_us, data) for t_us, _, data in rows][:TIMED])
        dropped = connection.execute("SELECT detail FROM event WHERE kind = 'frames_dropped'").fetchall()
        print(f"frames dropped by the kernel: {dropped}")
    return problems


def _times(bus: int, rows: Sequence[tuple[int, bytes]]) -> list[str]:
    """Compare the log's times with those of the sender, from sending to the kernel's stamp."""
    delays = [(t_us - struct.unpack("<I", data[4:8])[0]) % 2**32 for t_us, data in rows]
    least = min(delays)
    spread = sorted(delay - least for delay in delays)
    if not spread:
        return [f"bus {bus}: no times"]
    print(
        f"bus {bus}: stamps after sending, above the minimum: median {spread[len(spread) // 2]} us,"
        f" {spread[int(len(spread) * 0.99)]} us at 99 %, max {spread[-1]} us"
    )
    return [f"bus {bus}: a time is wrong by {spread[-1]} us"] if spread[-1] > 200_000 else []
