"""Gathering from a recorder that runs: its live socket and the log that it is writing, never the ports that it holds.

Listens to the live state for some seconds and then reads, from the log, the rows that came meanwhile (`mode=ro`).
"""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from firmware_bridge.errors import LogError
from firmware_bridge.records import Fix, Notice
from logger.doctor.facts import Heard
from logger.recording.reader import open_log_readonly
from logger.recording.rows import BUSES_A_PORT
from logger.recording.setup import PortPlan

ANSWER_S = 3.0
"""A recorder publishes ten times a second; one that says nothing for so long hangs."""
MAX_LINE_BYTES = 1024 * 1024
_NOTICES = ("bus_state", "bus_error", "adapter_status", "adapter_refused")


@dataclass(frozen=True, slots=True)
class Recorder:
    """What the recorder says. `state` is "running", "absent", "denied" or "hangs"; the snapshots are of the first and
    the last moment, empty unless it runs."""

    state: str
    why: str = ""
    first: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Any] = field(default_factory=dict)
    heard: tuple[Heard, ...] = ()


def ask(live_socket: Path, plans: Sequence[PortPlan], seconds: float, stop: threading.Event) -> Recorder:
    """Ask the recorder behind a live socket, for `seconds` if there is one."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(str(live_socket))
            with connection.makefile("rb") as lines:
                first = _snapshot(lines)
                before = _rows(first)
                last = first
                until_s = time.monotonic() + seconds
                while time.monotonic() < until_s and not stop.is_set():
                    last = _snapshot(lines)
                offset_s = _utc_offset_s(last)
    except PermissionError:
        return Recorder("denied", str(live_socket))
    except (FileNotFoundError, ConnectionRefusedError):
        return Recorder("absent")
    except (TimeoutError, ValueError, OSError) as error:
        return Recorder("hangs", str(error) or "it says nothing")
    heard = [
        replace(port, utc_offset_s=offset_s) if port.protocol == "nmea" else port
        for port in _heard(plans, first, last, before, seconds)
    ]
    return Recorder("running", "", first, last, tuple(heard))


def _snapshot(lines: Any) -> dict[str, Any]:
    """The next snapshot. Raises ValueError or OSError."""
    while True:
        line = lines.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise ValueError("it hung up")
        said = json.loads(line)
        if isinstance(said, dict) and "recording" in said:
            return said


def _utc_offset_s(snapshot: Mapping[str, Any]) -> float | None:
    """How far the system's clock is ahead of the recorder's, which is that of GPS."""
    if snapshot.get("utc") is None:
        return None
    return time.time() - datetime.fromisoformat(snapshot["utc"]).timestamp()


def _rows(snapshot: Mapping[str, Any]) -> dict[str, int]:
    """The last row of each table that tells what came; empty when the log cannot be read."""
    with suppress(LogError, sqlite3.Error), open_log_readonly(Path(snapshot["recording"]["path"])) as log:
        return {
            table: log.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()[0]  # noqa: S608
            for table in ("frame", "fix", "event")
        }
    return {}


def _heard(
    plans: Sequence[PortPlan],
    first: Mapping[str, Any],
    last: Mapping[str, Any],
    before: Mapping[str, int],
    seconds: float,
) -> list[Heard]:
    counts: Counter[tuple[int, int, int]] = Counter()
    fixes: list[Fix] = []
    notices: list[tuple[str, Notice]] = []
    if before:
        with suppress(LogError, sqlite3.Error), open_log_readonly(Path(last["recording"]["path"])) as log:
            for *key, count in log.execute(
                "SELECT bus, can_id, length(data), count(*) FROM frame WHERE rowid > ? GROUP BY 1, 2, 3",
                (before["frame"],),
            ):
                counts[key[0] // BUSES_A_PORT, key[1], key[2]] += count
            columns = "t_us, utc_us, lat, lon, alt_m, speed_mps, course_deg, quality, satellites, hdop"
            rows = log.execute(f"SELECT {columns} FROM fix WHERE rowid > ?", (before["fix"],))  # noqa: S608
            fixes = [Fix(*row) for row in rows]
            rows = log.execute("SELECT t_us, kind, detail FROM event WHERE rowid > ?", (before["event"],))
            for t_us, kind, text in rows:
                detail = json.loads(text)
                if kind in _NOTICES:
                    notices.append((str(detail.get("port")), Notice(t_us, kind, detail)))
    heard = []
    can_index = 0
    for plan in plans:
        link, was = last["links"].get(plan.name, {}), first["links"].get(plan.name, {})
        is_gps = plan.protocol.name == "nmea"
        heard.append(
            Heard(
                plan.name,
                plan.url,
                plan.protocol.name,
                str(link.get("state", "opening")),
                str(link.get("detail", "")),
                seconds=seconds,
                good=int(link.get("good", 0)) - int(was.get("good", 0)),
                bad=int(link.get("bad", 0)) - int(was.get("bad", 0)),
                by_recorder=True,
                frames={}
                if is_gps
                else {key[1:]: count for key, count in counts.items() if key[0] == can_index},
                fixes=tuple(fixes) if is_gps else (),
                notices=tuple(notice for port, notice in notices if port == plan.name),
            )
        )
        can_index += not is_gps
    return heard
