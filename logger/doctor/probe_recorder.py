"""Probe a running recorder over its live socket and its log, without touching its ports.

Follows the live state for some seconds and then reads the rows that were added to the log meanwhile. Rows may take
`max_loss_s` to reach the log, and this user may not be able to read it: unknown values are None, never taken for
silence.
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
from logger.doctor.log_delta import NewRows, Traffic
from logger.doctor.port_observation import PortObservation
from logger.recorder.setup import PortPlan

ANSWER_TIMEOUT_S = 3.0
"""A recorder publishes at 10 Hz; one that is silent this long hangs."""
MAX_LINE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recorder:
    """State and data of the recorder. `state` is "running", "absent", "denied" or "hangs". `first` and `last` are the
    first and last snapshot, empty unless it runs. `rows` is "read", "none", "denied" or "unreadable"."""

    state: str
    why: str = ""
    first: Mapping[str, Any] = field(default_factory=dict)
    last: Mapping[str, Any] = field(default_factory=dict)
    ports: tuple[PortObservation, ...] = ()
    rows: str = "read"
    config: Config | None = None
    """Its configuration, from its log; None if that cannot be read."""


def observe(live_socket: Path, plans: Sequence[PortPlan], seconds: float, stop: threading.Event) -> Recorder:
    """Observe the recorder behind a live socket for `seconds`, if there is one."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_TIMEOUT_S)
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
        return Recorder("hangs", str(error) or "it is silent")
    rows = log.new_rows(last)
    ports = tuple(_ports(plans, (first, last), rows, seconds, offset_s))
    return Recorder("running", "", first, last, ports, log.state, log.config(last))


class _Log:
    """The log that the recorder writes, as far as it can be read; `state` is a value of Recorder.rows."""

    def __init__(self, first: Mapping[str, Any]) -> None:
        self._first = first
        self._last_rowids: dict[str, int] = {}
        self.state = "read"
        try:
            self._last_rowids = log_delta.last_rowids(_path(first))
        except OSError as error:
            self._fail(error)

    def new_rows(self, last: Mapping[str, Any]) -> NewRows | None:
        """The rows added since the first snapshot; None if there are none or they cannot be read."""
        if not self._last_rowids:
            return None
        is_another = _path(last) != _path(self._first)
        if is_another or last["recording"]["rows"] == self._first["recording"]["rows"]:
            self.state = "none"
            return None
        try:
            return log_delta.rows_since(_path(last), self._last_rowids)
        except OSError as error:
            self._fail(error)
            return None

    def config(self, last: Mapping[str, Any]) -> Config | None:
        """The configuration of the present session; None if another version wrote it and it cannot be read."""
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
            raise ValueError("it disconnected")
        document = loads(line)
        if isinstance(document, dict) and "recording" in document:
            return document


def _utc_offset_s(snapshot: Mapping[str, Any]) -> float | None:
    """System clock minus the recorder's UTC, which is GPS time."""
    if snapshot.get("utc") is None:
        return None
    return time.time() - datetime.fromisoformat(snapshot["utc"]).timestamp()


def _ports(
    plans: Sequence[PortPlan],
    snapshots: tuple[Mapping[str, Any], Mapping[str, Any]],
    rows: NewRows | None,
    seconds: float,
    offset_s: float | None,
) -> list[PortObservation]:
    ports = []
    adapter = 0
    for plan in plans:
        before, link = (snapshot["links"].get(plan.name, {}) for snapshot in snapshots)
        is_gps = plan.protocol.name == "nmea"
        good = int(link.get("good", 0)) - int(before.get("good", 0))
        traffic = Traffic() if rows is None or is_gps else rows.traffic.get(adapter, Traffic())
        ports.append(
            PortObservation(
                plan.name,
                plan.url,
                plan.protocol.name,
                str(link.get("state", "opening")),
                str(link.get("detail", "")),
                seconds=seconds,
                good=good,
                bad=int(link.get("bad", 0)) - int(before.get("bad", 0)),
                foreign_bytes=int(link.get("foreign_bytes", 0)) - int(before.get("foreign_bytes", 0)),
                by_recorder=True,
                warning=str(link.get("warning") or ""),
                may_acknowledge=plan.bus.listen_only is not True,
                is_polled=plan.poller is not None,
                frames=traffic.counts or (None if good and not is_gps else {}),
                frames_s=traffic.span_s,
                fixes=(None if rows is None else rows.fixes) if is_gps else (),
                utc_offset_s=offset_s if is_gps else None,
                notices=tuple(notice for port, notice in rows.notices if port == plan.name) if rows else (),
            )
        )
        adapter += not is_gps
    return ports
