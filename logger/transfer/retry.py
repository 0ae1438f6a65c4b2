"""Retry over an unreliable connection, with growing waits, until almost nothing arrives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from firmware_bridge.errors import DeviceError
from logger.transfer.exchange import Pace, TransientError

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
"""A Wi-Fi that dropped a connection accepts the next at once; an unreachable one must not be flooded."""
REPEAT_S = 10.0
"""Minimum interval between identical messages, for a line that is lost several times per second."""

Result = TypeVar("Result")


class Retry:
    """Retries until `most_s` seconds pass without progress; a trickle of bytes extends that little (exchange.Pace).

    `notify` gets the reason for a wait, once per outage.
    """

    def __init__(self, most_s: float, notify: Callable[[str], None], where: str) -> None:
        self._pace, self._notify, self._where = Pace(most_s), notify, where
        self._wait_s = FIRST_WAIT_S
        self._reason, self._notified_s = "", 0.0

    def received(self, count: int) -> None:
        """Count received bytes."""
        self._pace.received(count)
        self._wait_s = FIRST_WAIT_S

    def wait(self, error: TransientError) -> None:
        """Wait before the next try. Raises DeviceError when the time is over."""
        left_s = self._pace.left_s()
        if left_s <= 0:
            hint = "fetch again when the car is in reach; the download then resumes where it stopped"
            raise DeviceError(f"the car is out of reach: {error}", where=self._where, hint=hint) from error
        if error.responded:
            self._wait_s = FIRST_WAIT_S
        if self._wait_s == FIRST_WAIT_S:
            self._report(str(error))
        time.sleep(min(max(self._wait_s, error.wait_s), left_s))
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _report(self, reason: str) -> None:
        now_s = time.monotonic()
        if reason != self._reason or now_s - self._notified_s > REPEAT_S:
            self._notify(reason)
            self._reason, self._notified_s = reason, now_s

    def run(self, attempt: Callable[[], Result]) -> Result:
        """Repeat an attempt until it succeeds, and return its result. Raises DeviceError."""
        self._pace.renew()
        self._wait_s = FIRST_WAIT_S
        while True:
            try:
                return attempt()
            except TransientError as error:
                self.wait(error)
