"""A PortReader for the tests."""

from __future__ import annotations

from firmware_bridge.devices.ports import PortReader
from firmware_bridge.protocols import protocol
from tests.firmware_bridge.simulated_devices import (
    Sink,
    clock_us,
)

NMEA = protocol("nmea")
SLCAN = protocol("slcan")


def gps(url: str, sink: Sink, **more: object) -> PortReader:
    """A reader of a receiver's port at 115200 baud."""
    options: dict[str, object] = {"clock_us": clock_us(), "sink": sink, **more}
    return PortReader("gps", url, 115200, NMEA, **options)  # type: ignore[arg-type]
