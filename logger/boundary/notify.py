"""systemd notification and watchdog: ready, status, stopping; fed only while every part works.

Knows the datagram socket named in $NOTIFY_SOCKET, and nothing about recording. A process that runs may still be
stuck, so each part supplies a pulse: a number that changes with each cycle of that part (the writer after a commit, a
refusal or an idle wait; a port's thread after a read or a failed opening). The watchdog is fed only while no pulse
has stopped, so one blocked thread causes a restart.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from contextlib import suppress

log = logging.getLogger(__name__)

MAX_STATUS_CHARACTERS = 200
"""`systemctl status` shows one line; the datagram stays far below a socket's limit."""
_READY_WAIT_S = 2.0
"""Readiness is sent once and must arrive: at boot systemd's queue is full of other services' messages."""
_FEEDS_PER_PERIOD = 4
"""Two feeds may be late or lost before systemd's timeout."""
_STALL_SHARE = 0.5
"""A pulse may stand still for this share of the watchdog period. systemd waits one period from the last feed, so it
restarts a stuck process after 1.25 to 1.5 periods."""


class Notifier:
    """Send notifications to systemd; without a socket, every call does nothing."""

    def __init__(self, address: str | None) -> None:
        """`address` is the value of $NOTIFY_SOCKET: a path, or @NAME for an abstract socket."""
        self._address = ""
        self._socket: socket.socket | None = None
        self._status = ""
        if not address:
            return
        if address[0] not in "/@":
            log.warning(
                "NOTIFY_SOCKET=%s is not a Unix socket: systemd gets no notifications",
                address,
            )
            return
        self._address = "\0" + address[1:] if address[0] == "@" else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def ready(self, status: str = "") -> None:
        """Report that start-up is complete: rows reach the log, or the page is served."""
        self._send("READY=1", status, wait_s=_READY_WAIT_S)

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Set the one-line status; an unchanged text is not sent."""
        if text != self._status:
            self._send("", text)

    def stopping(self) -> None:
        """Report that shutdown has begun; it may take a while."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Close the socket; later calls do nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, state: str, status: str = "", wait_s: float = 0.0) -> None:
        if self._socket is None:
            return
        lines = [state] if state else []
        if status:
            self._status = status
            lines.append(f"STATUS={' '.join(status.split())[:MAX_STATUS_CHARACTERS]}")
        # A busy or restarting systemd gets the next notification: rows do not wait for it.
        self._socket.settimeout(wait_s)
        with suppress(OSError):
            self._socket.sendto("\n".join(lines).encode(errors="replace"), self._address)


class Watchdog:
    """Decide when to feed. `period_us` is systemd's watchdog period; 0 without a watchdog."""

    def __init__(self, period_us: int) -> None:
        self._period_us = period_us
        self._fed_us: int | None = None
        self._moved: dict[str, tuple[int, int]] = {}
        self._stuck: tuple[str, ...] = ()

    @property
    def stuck(self) -> tuple[str, ...]:
        """The parts that had stopped for too long at the last check."""
        return self._stuck

    def is_due(self, t_us: int, pulses: Mapping[str, int]) -> bool:
        """Whether to feed now. `pulses` has a number for every part that must keep cycling; `t_us` is monotonic.

        A part's time limit starts at its first check; a part no longer listed is no longer watched.
        """
        if not self._period_us:
            return False
        for part, pulse in pulses.items():
            known = self._moved.get(part)
            if known is None or known[0] != pulse:
                self._moved[part] = (pulse, t_us)
        self._moved = {part: self._moved[part] for part in pulses}
        patience_us = self._period_us * _STALL_SHARE
        stuck = tuple(part for part, (_, moved_us) in self._moved.items() if t_us - moved_us > patience_us)
        if stuck and stuck != self._stuck:
            log.error("%s stands still: the watchdog is not fed until it moves", ", ".join(stuck))
        self._stuck = stuck
        if stuck or (self._fed_us is not None and t_us - self._fed_us < self._period_us // _FEEDS_PER_PERIOD):
            return False
        self._fed_us = t_us
        return True


def from_environment(environment: Mapping[str, str] = os.environ) -> tuple[Notifier, Watchdog]:
    """The notifier and watchdog that systemd requested; without systemd, both do nothing.

    $WATCHDOG_PID names the process that must feed: a child that inherits the environment does not.
    """
    notifier = Notifier(environment.get("NOTIFY_SOCKET"))
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return notifier, Watchdog(0)
    try:
        period_us = max(0, int(environment.get("WATCHDOG_USEC", "0")))
    except ValueError:
        log.warning("WATCHDOG_USEC=%s is not a number: no watchdog", environment["WATCHDOG_USEC"])
        period_us = 0
    return notifier, Watchdog(period_us)
