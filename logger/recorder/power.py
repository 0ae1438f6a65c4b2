"""Decide when to switch the machine off, by the condition in `[shutdown]` (ignition off, low battery).

Rule 1: never while the car moves. Rule 2: an unknown speed counts as stationary only after minutes without known
movement; a session begins as if the car had just moved, because it may follow a power cut on the way. Rule 3: a silent
channel neither fulfils nor ends the condition: a bus goes to sleep soon after the ignition is off. Pure: values and
times go in.

The recorder has no right to switch the machine off. It creates a file in its runtime directory;
`stagelog-power-off.path` waits for that file, systemd shuts down, and stops the recorder as at any shutdown: it drains
and closes the log.
"""

from __future__ import annotations

from logger.stage.conditions import Condition, Values

REQUEST = "power-off"
"""Name of the request file, beside the live socket."""
STATIONARY_KMH = 3.0
"""A receiver reports less than this for a stationary car."""
UNKNOWN_S = 300.0
"""A tunnel or a garage takes less time; a car last seen moving longer ago is stationary."""


class PowerOff:
    """Watches one condition."""

    def __init__(self, when: Condition, for_s: float) -> None:
        self.when, self.for_s = when, for_s
        self._moved_us = 0
        self._since_us: int | None = None
        self._asked = False

    def tick(self, t_us: int, values: Values) -> bool:
        """True once, when the condition has held for `for_s` without a break while the car was stationary.

        While the condition is unknown it keeps its last state; a condition that was never known does not hold.
        """
        speed_kmh = values.get("speed_kmh")
        if speed_kmh is not None and not speed_kmh < STATIONARY_KMH:
            self._moved_us = t_us
        is_stationary = speed_kmh is not None or t_us - self._moved_us >= UNKNOWN_S * 1e6
        holds = self.when.holds(values)
        if holds is None:
            holds = self._since_us is not None
        if self._moved_us == t_us or not is_stationary or not holds:
            self._since_us, self._asked = None, False
            return False
        if self._since_us is None:
            self._since_us = t_us
        if self._asked or t_us - self._since_us < self.for_s * 1e6:
            return False
        self._asked = True
        return True
