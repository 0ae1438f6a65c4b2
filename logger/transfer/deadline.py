"""Time that bytes prolong: what bounds a line that never falls silent and never brings anything either."""

from __future__ import annotations

import time

LEAST_BYTES_S = 250.0
"""A slower line brings nothing: a quarter of GPRS with one slot (9 kbit/s), and a day for 20 MB."""


class Pace:
    """`most_s` seconds, of which each byte gives back 1 / `least_bytes_s`, so that a line at that rate never ends."""

    def __init__(self, most_s: float, least_bytes_s: float = LEAST_BYTES_S) -> None:
        self._most_s, self._least_bytes_s = most_s, least_bytes_s
        self.renew()

    def renew(self) -> None:
        """All of the time again."""
        self._until_s = time.monotonic() + self._most_s

    def came(self, count: int) -> None:
        """So many bytes."""
        full_s = time.monotonic() + self._most_s
        self._until_s = min(full_s, self._until_s + count / self._least_bytes_s)

    def left_s(self) -> float:
        """What is left of it; zero or less when it is over."""
        return self._until_s - time.monotonic()
