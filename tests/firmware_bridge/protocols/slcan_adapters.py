"""SLCAN firmwares by what they can do, and an opened adapter."""

from __future__ import annotations

from firmware_bridge.protocols import BusSettings
from firmware_bridge.protocols.slcan_opening import opening
from firmware_bridge.virtual.slcan_device import SlcanDialogue
from tests.firmware_bridge.dialogues import Transcript, run_opening

LISTENING = ("lawicel", "usbtin", "esp32ret", "canable2.5", "esp32s3", "weact", "nakakiyo", "wican")
CANNOT = ("canable", "canable2", "mintynet", "slcanuino")
SILENT = ("mute", "mute normal")


def opened(adapter: SlcanDialogue, **settings: object) -> Transcript:
    """Run the dialogue with an adapter that answers at once."""
    bus_settings = BusSettings(**{"bitrate": 500_000, **settings})  # type: ignore[arg-type]
    return run_opening(opening(bus_settings), lambda sent: adapter.feed(sent, 0).answer)
