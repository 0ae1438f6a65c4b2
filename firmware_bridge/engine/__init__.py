"""Decode CAN frames into named engine readings; built-in decoders (presets) by configuration name.

A preset gives its channels the names that alarms and pages use (rpm, coolant_c, battery_v), so that they work
on a car without a DBC file. A preset's module is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from firmware_bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from firmware_bridge.engine.readings import EngineDecoder

PRESET_NAMES = ("obd2",)


def preset(name: str) -> EngineDecoder:
    """A new decoder for the preset `name`. Raises ConfigurationError for an unknown name."""
    if name not in PRESET_NAMES:
        raise ConfigurationError(
            f'preset "{name}" is not known', hint=f"use one of: {', '.join(PRESET_NAMES)}"
        )
    from firmware_bridge.engine.obd2 import Obd2Decoder  # noqa: PLC0415 - only when it is used

    return Obd2Decoder()
