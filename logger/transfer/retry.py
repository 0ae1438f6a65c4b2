"""How long a cut line is put up with: tried again soon, then less often, until next to nothing came for too long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from firmware_bridge.errors import DeviceError
from logger.transfer.exchange import CutError, Pace

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
"""A Wi-Fi that dropped a connection takes the next at once; one that is out of reach is not to be hammered."""
SAY_AGAIN_S = 10.0
"""A line that is cut several times a second says the same no more often than this."""

Result = TypeVar("Result")


class Patience:
    """Patience of `most_s` seconds without a byte; a trickle prolongs it by little (pace.py).

    `tell` hears why there is a wait, once an outage.
    """

    def __init__(self, most_s: float, tell: Callable[[str], None], where: str) -> None:
        self._pace, self._tell, self._where = Pace(most_s), tell, where
        self._wait_s = FIRST_WAIT_S
        self._said, self._said_s = "", 0.0

    def came(self, count: int) -> None:
        """So many bytes."""
        self._pace.came(count)
        self._wait_s = FIRST_WAIT_S

    def wait(self, cut: CutError) -> None:
        """Wait before the next try. Raises DeviceError when patience is at its end."""
        left_s = self._pace.left_s()
        if left_s <= 0:
            hint = "try again when the car is in reach: what has come stays, and is gone on with"
            raise DeviceError(f"the car is out of reach: {cut}", where=self._where, hint=hint) from cut
        if cut.heard:
            self._wait_s = FIRST_WAIT_S
        if self._wait_s == FIRST_WAIT_S:
            self._say(str(cut))
        time.sleep(min(max(self._wait_s, cut.wait_s), left_s))
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def _say(self, reason: str) -> None:
        now_s = time.monotonic()
        if reason != self._said or now_s - self._said_s > SAY_AGAIN_S:
            self._tell(reason)
            self._said, self._said_s = reason, now_s

    def through(self, attempt: Callable[[], Result]) -> Result:
        """What an attempt brings, however often the line is cut meanwhile. Raises DeviceError."""
        self._pace.renew()
        self._wait_s = FIRST_WAIT_S
        while True:
            try:
                return attempt()
            except CutError as cut:
                self.wait(cut)
