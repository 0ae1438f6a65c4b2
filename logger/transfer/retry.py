"""Retry over an unreliable connection, with growing waits, until almost nothing arrives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from firmware_bridge.errors import DeviceError
from logger.transfer.exchange import Pace, TransientError

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
"""A Wi-Fi that dropped a connection accepts the next at once; an unreachable one must not be flooded."""
REPEAT_S = 10.0
"""Minimum interval between identical messages, for a line that is lost several times per second."""
_HINT = "fetch again when the car is in reach; the download then resumes where it stopped"

Result = TypeVar("Result")


class Retry:
    """Retries until `max_s` seconds pass without progress; a trickle of bytes extends that little (exchange.Pace).

    `notify` gets the reason for a wait, once per outage. Each `run` has its own `max_s`. The idle time of all runs
    adds up too: after `max_s` and `whole_s` together no further run begins. So does the time of what was received in
    vain: after `worthless_s` no further run begins.
    """

    def __init__(
        self,
        max_s: float,
        notify: Callable[[str], None],
        where: str,
        whole_s: float,
        worthless_s: float = math.inf,
        hint: str = _HINT,
    ) -> None:
        self._pace, self._notify, self._where = Pace(max_s), notify, where
        self._whole, self._hint = Pace(max_s + whole_s), hint
        self._worthless_left_s = worthless_s
        self._version_since_s = self._idle_since_s = time.monotonic()
        self._wait_s = FIRST_WAIT_S
        self._reason, self._notified_s = "", 0.0

    def received(self, count: int) -> None:
        """Count received bytes."""
        self._pace.received(count)
        self._whole.received(count)
        self._wait_s = FIRST_WAIT_S

    def begin_version(self) -> None:
        """Note that a version of a log is received from now on."""
        self._version_since_s = time.monotonic()

    def discard_version(self) -> None:
        """Note that what was received since `begin_version` is worthless."""
        self._worthless_left_s -= time.monotonic() - self._version_since_s
        self.begin_version()

    def wait(self, error: TransientError) -> None:
        """Wait before the next try. Raises DeviceError when the time is over."""
        left_s = self._pace.left_s()
        if left_s <= 0:
            raise DeviceError(
                f"the car is out of reach: {error}", where=self._where, hint=self._hint
            ) from error
        if error.responded:
            self._wait_s = FIRST_WAIT_S
        if self._wait_s == FIRST_WAIT_S:
            self._report(str(error))
        time.sleep(min(max(self._wait_s, error.wait_s), left_s))
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _report(self, reason: str) -> None:
        now_s = time.monotonic()
        if reason != self._reason or now_s - self._notified_s > REPEAT_S:
            self._notify(f"{self._where}: {reason}: trying again")
            self._reason, self._notified_s = reason, now_s

    def run(self, attempt: Callable[[], Result]) -> Result:
        """Repeat an attempt until it succeeds, and return its result. Raises DeviceError."""
        self._whole.prolong(time.monotonic() - self._idle_since_s)  # what arrived was verified meanwhile
        if self._whole.left_s() <= 0:
            raise DeviceError("the car answers, but sends almost nothing", where=self._where, hint=self._hint)
        if self._worthless_left_s <= 0:
            what = "most of what the car sends is worthless: damaged, or of changing versions"
            raise DeviceError(what, where=self._where, hint="fetch again later, or copy the car's card")
        self._pace.renew()
        self._wait_s = FIRST_WAIT_S
        try:
            while True:
                try:
                    return attempt()
                except TransientError as error:
                    self.wait(error)
        finally:
            self._idle_since_s = time.monotonic()
