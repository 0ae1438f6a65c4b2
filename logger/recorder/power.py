"""When the machine is to be switched off: the ignition is off, the battery runs down, whatever `[shutdown]` says.

Rule 1: never while the car moves. Rule 2: not knowing the speed is no proof of standing, unless nothing has been known
to move for minutes; and a session begins as if the car had just moved, for that is how it looks after a power cut on
the way. Rule 3: silence of a channel is no condition that holds, and none that ends: a bus falls asleep soon after the
ignition is off. Pure: values and times go in.

The recorder has no power to switch anything off. It leaves a file in its runtime folder; `stagelog-power-off.path`
waits for that, systemd shuts down, and the recorder is stopped as at any shutdown: it drains and closes the log.
"""

from __future__ import annotations

from logger.stage.conditions import Condition, Values

REQUEST = "power-off"
"""The file's name, beside the live socket."""
STANDING_KMH = 3.0
"""What a receiver tells of a car that stands is less."""
UNKNOWN_S = 300.0
"""A tunnel or a garage is passed sooner; a car that was last seen moving longer ago stands somewhere."""


class PowerOff:
    """Watches one condition."""

    def __init__(self, when: Condition, for_s: float) -> None:
        self.when, self.for_s = when, for_s
        self._moved_us = 0
        self._since_us: int | None = None
        self._asked = False

    def tick(self, t_us: int, values: Values) -> bool:
        """True once, when the condition has held for `for_s` without a break while the car stood.

        Where it is not known any more it is what it was; what was never known does not hold.
        """
        speed_kmh = values.get("speed_kmh")
        if speed_kmh is not None and not speed_kmh < STANDING_KMH:
            self._moved_us = t_us
        stands = speed_kmh is not None or t_us - self._moved_us >= UNKNOWN_S * 1e6
        holds = self.when.holds(values)
        if holds is None:
            holds = self._since_us is not None
        if self._moved_us == t_us or not stands or not holds:
            self._since_us, self._asked = None, False
            return False
        if self._since_us is None:
            self._since_us = t_us
        if self._asked or t_us - self._since_us < self.for_s * 1e6:
            return False
        self._asked = True
        return True
