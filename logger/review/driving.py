"""What the driver does at each sample: throttle, brake, both, neither, or standing.

Needs a throttle and a brake channel; names and units of cars differ, so both are found by name and unit. Shares of
these states are shares of time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.records import Channel
from logger.review.evidence import Floats
from logger.stage.fix_speed import STILL_MPS

STATES: Final = ("throttle", "brake", "throttle and brake", "coasting", "standing")
"""By number; nan where a value is unknown."""
THROTTLE, BRAKE, BOTH, COASTING, STANDING = range(len(STATES))

OPEN_ABOVE_CLOSED_PCT: Final = 3.0
"""The throttle is open this far above its closed position: sensors wander by a percent or two with temperature."""
CLOSED_QUANTILE: Final = 0.01
"""The closed position is the throttle's lowest hundredth: OBD-II reports 10 to 20 % for a closed butterfly, and single
values below it are noise."""
MOST_CLOSED_PCT: Final = 25.0
"""No closed throttle reads more than this: a drive without a moment off the throttle does not show its position."""
PRESSED: Final[Mapping[str, float]] = {"bar": 2.0, "kpa": 200.0, "mpa": 0.2, "psi": 30.0, "%": 5.0, "": 0.5}
"""By unit, the brake is pressed above this: a foot that rests on the pedal makes 1 bar, the lightest braking about 4.
Without a unit it is a switch, 0 or 1."""

_THROTTLES: Final = (
    re.compile(r"throttle"),
    re.compile(r"accel\w*_?(pedal|pos|pct)|pedal_?pos|\b(tps|app)\b"),
)
_BRAKES: Final = (re.compile(r"brake\w*_?(press|prs|bar|pres)|\bp_?brake"), re.compile(r"brake|brk"))
"""Patterns of a channel's name, the better ones first: a pressure says more than a switch."""
_OTHER_BRAKES: Final = re.compile(r"temp|wear|bias|balance|disc|park|hand|fluid|_c$", re.IGNORECASE)


class Pedals(NamedTuple):
    """The channels that show the driver's feet, and the throttle's closed position in percent."""

    throttle: Channel
    brake: Channel
    closed_pct: float

    @property
    def pressed(self) -> float:
        """The brake is pressed above this, in its channel's unit."""
        return PRESSED[self.brake.unit.strip().lower()]


def pedals(channels: Mapping[Channel, NDArray[np.float32]]) -> Pedals | None:
    """The throttle and the brake among sampled channels; None unless both are there and change."""
    moving = [
        channel for channel, values in channels.items() if np.unique(values[np.isfinite(values)][:]).size > 1
    ]
    throttle = _first(moving, _THROTTLES, lambda channel: channel.unit.strip() == "%")
    brake = _first(
        moving,
        _BRAKES,
        lambda channel: channel.unit.strip().lower() in PRESSED and not _OTHER_BRAKES.search(channel.name),
    )
    if throttle is None or brake is None:
        return None
    values = channels[throttle]
    closed_pct = float(np.quantile(values[np.isfinite(values)], CLOSED_QUANTILE))
    return Pedals(throttle, brake, min(closed_pct, MOST_CLOSED_PCT))


def states(found: Pedals, mps: Floats, channels: Mapping[Channel, NDArray[np.float32]]) -> Floats:
    """The number of the state at each sample; nan where throttle or brake is unknown."""
    throttle, brake = channels[found.throttle], channels[found.brake]
    is_open = throttle > found.closed_pct + OPEN_ABOVE_CLOSED_PCT
    is_pressed = brake > found.pressed
    state = np.select([is_open & is_pressed, is_pressed, is_open], [BOTH, BRAKE, THROTTLE], COASTING)
    state = np.where(mps < STILL_MPS, STANDING, state).astype(np.float64)
    state[~np.isfinite(throttle) | ~np.isfinite(brake)] = np.nan
    return state


def _first(
    channels: Iterable[Channel], patterns: Iterable[re.Pattern[str]], accepts: Callable[[Channel], bool]
) -> Channel | None:
    accepted = [channel for channel in channels if accepts(channel)]
    for pattern in patterns:
        for channel in accepted:
            if pattern.search(channel.name.lower()):
                return channel
    return None
