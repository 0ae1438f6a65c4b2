"""What the driver does at each sample: throttle, brake, both, neither, or standing.

Needs a throttle and a brake channel; names and units of cars differ, so both are found by name and unit. Shares of
these states are shares of time. Values that are seconds apart say nothing of what both feet did: a throttle from
before the braking beside the brake looks as if both were pressed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.records import Channel
from logger.judgement.evidence import Floats
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
"""By unit, the brake is pressed above this, the most telling units first: a foot that rests on the pedal makes 1 bar,
the lightest braking about 4. Without a unit it is a switch."""
SWITCH_ON_BELOW: Final = 1.5
"""A switch is 0 or 1; J1939 adds 2 for an error and 3 for not available, which say nothing."""
SWITCH_BELOW: Final = 3.5
"""A channel without a unit that has larger values is no switch."""
MIN_COMMON_S: Final = 60.0
"""The states of less time than this say nothing of a drive, unless they are half of it."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_PEDAL: Final = frozenset({"accel", "accelerator", "acc", "gas", "app", "apps"})
_THROTTLE: Final = frozenset({"throttle", "thr", "tps", "pedal"})
_BRAKE: Final = frozenset({"brake", "brakes", "brk", "braking"})
_OF_OTHERS: Final = frozenset(
    [
        "temp",
        "temperature",
        "wear",
        "bias",
        "balance",
        "disc",
        "disk",
        "park",
        "parking",
        "hand",
        "fluid",
        "level",
        "clutch",
        "request",
        "target",
        "volt",
    ]
)
"""Words in the names of channels that have to do with a pedal and do not show it."""


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
    """The throttle and the brake among sampled channels; None unless both are there and change.

    The accelerator pedal comes before the throttle, which an engine control may move by itself.
    """
    moving = {channel: _words(channel) for channel, values in channels.items() if _changes(values)}
    throttles = [
        channel
        for wanted in (_PEDAL, _THROTTLE)
        for channel, words in moving.items()
        if words & wanted and not words & _BRAKE and channel.unit.strip() == "%"
    ]
    brakes = [
        channel
        for unit in PRESSED
        for channel, words in moving.items()
        if words & _BRAKE
        and channel.unit.strip().lower() == unit
        and (unit or np.nanmax(channels[channel]) < SWITCH_BELOW)
    ]
    if not throttles or not brakes:
        return None
    values = channels[throttles[0]]
    closed_pct = float(np.quantile(values[np.isfinite(values)], CLOSED_QUANTILE))
    return Pedals(throttles[0], brakes[0], min(closed_pct, MOST_CLOSED_PCT))


def _words(channel: Channel) -> frozenset[str]:
    """The words of a channel's name, in lower case; none if it does not show a pedal."""
    words = frozenset(word.lower() for word in _WORDS.findall(channel.name))
    return frozenset() if words & _OF_OTHERS else words


def _changes(values: NDArray[np.float32]) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 0 and bool(known.min() < known.max())


def states(
    found: Pedals,
    mps: Floats,
    channels: Mapping[Channel, NDArray[np.float32]],
    same_second: Mapping[Channel, NDArray[np.bool_]],
) -> Floats:
    """The number of the state at each sample; nan where throttle and brake are not both known of its second.

    `channels` and `same_second` are those of `Samples`.
    """
    throttle, brake = channels[found.throttle], channels[found.brake]
    is_open = throttle > found.closed_pct + OPEN_ABOVE_CLOSED_PCT
    is_pressed = brake > found.pressed
    state = np.select([is_open & is_pressed, is_pressed, is_open], [BOTH, BRAKE, THROTTLE], COASTING)
    state = np.where(mps < STILL_MPS, STANDING, state).astype(np.float64)
    unknown = ~(same_second[found.throttle] & same_second[found.brake])
    if not found.brake.unit.strip():
        unknown |= brake >= SWITCH_ON_BELOW
    state[unknown] = np.nan
    return state
