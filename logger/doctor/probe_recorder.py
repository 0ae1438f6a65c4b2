"""Gathering from a recorder that runs: its live socket and the log that it is writing, never the ports that it holds.

Listens to the live state for some seconds and then reads, from the log, the rows that came meanwhile. Rows may wait for
`max_loss_s` before they are there, and a log may be out of this user's reach: what is not known then is None, and
never taken for silence.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from firmware_bridge.errors import ConfigurationError
from logger.boundary.untrusted_json import loads
from logger.config import configuration as configs
from logger.config.configuration import Config
from logger.doctor import log_delta
from logger.doctor.log_delta import Arrivals, Traffic
from logger.doctor.port_observation import Heard
from logger.recorder.setup import PortPlan

ANSWER_S = 3.0
"""A recorder publishes ten times a second; one that says nothing for so long hangs."""
MAX_LINE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recorder:
    """What the recorder says. `state` is "running", "absent", "denied" or "hangs"; the snapshots are of the first and
    the last moment, empty unless it runs. `rows` is "read", "none", "denied" or "unreadable"."""

    state: str
    why: str = ""
    first: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Any] = field(default_factory=dict)
    heard: tuple[Heard, ...] = ()
    rows: str = "read"
    config: Config | None = None
    """What it runs under, as its log says; None where that cannot be read."""


def ask(live_socket: Path, plans: Sequence[PortPlan], seconds: float, stop: threading.Event) -> Recorder:
    """Ask the recorder behind a live socket, for `seconds` if there is one."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(str(live_socket))
            with connection.makefile("rb") as lines:
                first = last = _snapshot(lines)
                log = _Log(first)
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
    came = log.news(last)
    heard = tuple(_heard(plans, (first, last), came, seconds, offset_s))
    return Recorder("running", "", first, last, heard, log.state, log.config(last))


class _Log:
    """The log that the recorder writes, as far as it can be read: `state` is a word of Recorder.rows."""

    def __init__(self, first: Mapping[str, Any]) -> None:
        self._first = first
        self._ends: dict[str, int] = {}
        self.state = "read"
        try:
            self._ends = log_delta.ends(_path(first))
        except OSError as error:
            self._fail(error)

    def news(self, last: Mapping[str, Any]) -> Arrivals | None:
        """What came since; None where nothing tells, for then the log says nothing of what came."""
        if not self._ends:
            return None
        is_another = _path(last) != _path(self._first)
        if is_another or last["recording"]["rows"] == self._first["recording"]["rows"]:
            self.state = "none"
            return None
        try:
            return log_delta.since(_path(last), self._ends)
        except OSError as error:
            self._fail(error)
            return None

    def config(self, last: Mapping[str, Any]) -> Config | None:
        """The configuration of the present session. One of another version that cannot be read tells nothing."""
        try:
            text = log_delta.configuration(_path(last), last["session"])
            return configs.loads(text, "its configuration", Path("/"))
        except (OSError, ConfigurationError):
            return None

    def _fail(self, error: OSError) -> None:
        self.state = "denied" if isinstance(error, PermissionError) else "unreadable"


def _path(snapshot: Mapping[str, Any]) -> Path:
    return Path(snapshot["recording"]["path"])


def _snapshot(lines: Any) -> dict[str, Any]:
    """The next snapshot. Raises ValueError or OSError."""
    while True:
        line = lines.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise ValueError("it hung up")
        said = loads(line)
        if isinstance(said, dict) and "recording" in said:
            return said


def _utc_offset_s(snapshot: Mapping[str, Any]) -> float | None:
    """How far the system's clock is ahead of the recorder's, which is that of GPS."""
    if snapshot.get("utc") is None:
        return None
    return time.time() - datetime.fromisoformat(snapshot["utc"]).timestamp()


def _heard(
    plans: Sequence[PortPlan],
    snapshots: tuple[Mapping[str, Any], Mapping[str, Any]],
    came: Arrivals | None,
    seconds: float,
    offset_s: float | None,
) -> list[Heard]:
    heard = []
    adapter = 0
    for plan in plans:
        was, link = (snapshot["links"].get(plan.name, {}) for snapshot in snapshots)
        is_gps = plan.protocol.name == "nmea"
        good = int(link.get("good", 0)) - int(was.get("good", 0))
        traffic = Traffic() if came is None or is_gps else came.traffic.get(adapter, Traffic())
        heard.append(
            Heard(
                plan.name,
                plan.url,
                plan.protocol.name,
                str(link.get("state", "opening")),
                str(link.get("detail", "")),
                seconds=seconds,
                good=good,
                bad=int(link.get("bad", 0)) - int(was.get("bad", 0)),
                foreign_bytes=int(link.get("foreign_bytes", 0)) - int(was.get("foreign_bytes", 0)),
                by_recorder=True,
                warning=str(link.get("warning") or ""),
                may_acknowledge=plan.bus.listen_only is not True,
                is_polled=plan.poller is not None,
                frames=traffic.counts or (None if good and not is_gps else {}),
                frames_s=traffic.span_s,
                fixes=(None if came is None else came.fixes) if is_gps else (),
                utc_offset_s=offset_s if is_gps else None,
                notices=tuple(notice for port, notice in came.notices if port == plan.name) if came else (),
            )
        )
        adapter += not is_gps
    return heard
