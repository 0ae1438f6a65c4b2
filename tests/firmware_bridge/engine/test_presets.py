"""Presets: built-in decoders by name."""

from __future__ import annotations

import pytest

from firmware_bridge.engine import PRESET_NAMES, preset
from firmware_bridge.engine.obd2 import Obd2Decoder
from firmware_bridge.errors import ConfigurationError


def test_every_name_makes_a_new_decoder() -> None:
    for name in PRESET_NAMES:
        assert preset(name) is not preset(name)
    assert isinstance(preset("obd2"), Obd2Decoder)


def test_error_of_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r'"obd" is not known.*obd2') as caught:
        preset("obd")
    assert caught.value.exit_code == 64
