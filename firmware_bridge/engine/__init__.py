"""Frames to named engine readings; the decoders that come with the program, by the name a configuration calls them.

A preset gives its channels the names that alarms and pages use (rpm, coolant_c, battery_v), so that they work
on a car about which nobody has written anything. Its module is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from firmware_bridge.engine.readings import EngineDecoder

PRESET_NAMES = ("obd2",)


def preset(name: str) -> EngineDecoder:
    """A new decoder of that name. Raises ConfigurationError where there is none."""
    if name not in PRESET_NAMES:
        raise ConfigurationError(f'preset "{name}" is not known', hint=f"known are {', '.join(PRESET_NAMES)}")
    from firmware_bridge.engine.obd2 import Obd2Decoder  # noqa: PLC0415 - only where it is asked for

    return Obd2Decoder()
