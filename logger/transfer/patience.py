"""How long a cut line is put up with: tried again soon, then less often, until nothing has come for too long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from firmware_bridge.errors import DeviceError
from logger.transfer.car import CutError

FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 5.0
"""A Wi-Fi that dropped a connection takes the next at once; one that is out of reach is not to be hammered."""

Result = TypeVar("Result")


class Patience:
    """Patience of `most_s` seconds without a byte. `tell` hears why there is a wait, once an outage."""

    def __init__(self, most_s: float, tell: Callable[[str], None], where: str) -> None:
        self._most_s, self._tell, self._where = most_s, tell, where
        self.progressed()

    def progressed(self) -> None:
        """Something came."""
        self._since_s = time.monotonic()
        self._wait_s = FIRST_WAIT_S

    def wait(self, cut: CutError) -> None:
        """Wait before the next try. Raises DeviceError when patience is at its end."""
        left_s = self._most_s - (time.monotonic() - self._since_s)
        if left_s <= 0:
            mend = "try again when the car is in reach: what has come stays, and is gone on with"
            raise DeviceError(f"the car is out of reach: {cut}", where=self._where, mend=mend) from cut
        if cut.heard:
            self._wait_s = FIRST_WAIT_S
        if self._wait_s == FIRST_WAIT_S:
            self._tell(str(cut))
        time.sleep(min(max(self._wait_s, cut.wait_s), left_s))
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def through(self, attempt: Callable[[], Result]) -> Result:
        """What an attempt brings, however often the line is cut meanwhile. Raises DeviceError."""
        while True:
            try:
                found = attempt()
            except CutError as cut:
                self.wait(cut)
            else:
                self.progressed()
                return found
