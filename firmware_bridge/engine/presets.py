"""Decoders that come with the program, by the name a configuration calls them.

A preset gives its channels the names that alarms and pages use (rpm, coolant_c, battery_v), so that they work
on a car about which nobody has written anything.
"""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.engine.obd2 import Obd2Decoder
from firmware_bridge.engine.readings import EngineDecoder
from firmware_bridge.errors import ConfigurationError

_PRESETS: dict[str, Callable[[], EngineDecoder]] = {"obd2": Obd2Decoder}

PRESET_NAMES = tuple(_PRESETS)


def preset(name: str) -> EngineDecoder:
    """A new decoder of that name. Raises ConfigurationError where there is none."""
    if name not in _PRESETS:
        raise ConfigurationError(f'preset "{name}" is not known', mend=f"known are {', '.join(PRESET_NAMES)}")
    return _PRESETS[name]()
