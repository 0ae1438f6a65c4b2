"""Virtual car in real time: a GPS receiver and a CAN adapter on ptys.

    with VirtualCar(drive, start_s=600.0) as car:
        ...open car.gps_port and car.can_port as if they were real...

Threads, one per device, started and stopped here: `virtual-gps` writes each epoch when it is due, `virtual-can`
reports frames every CAN_TICK_S and answers the host. Both use one clock for the drive's time, so that the truth at
any moment is `car.drive.at(car.now_s)`. Faults of devices in the field are methods: unplug, silence, damage,
brown_out; the baud rate must match.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.virtual.adapter import CanAdapter
from firmware_bridge.virtual.device import LiveDevice
from firmware_bridge.virtual.dongle import Dongle
from firmware_bridge.virtual.drive import Drive
from firmware_bridge.virtual.engine import Engine
from firmware_bridge.virtual.receiver import GpsReceiver
from firmware_bridge.virtual.traffic import Traffic

CAN_TICK_S = 0.01
"""Interval of a CAN adapter's USB frames: short enough for OBD-II, with few wake-ups."""
GPS_TICK_S = 0.02
"""Largest delay of an epoch: of the order of a receiver's own jitter."""


class VirtualCar:
    """A car that drives `drive` from `start_s` on. The devices are plugged in within the context.

    `receiver`, `engine`, `traffic` and, for protocol "elm327", `dongle` replace the default ones; `can_rate` is in
    frames per second. A host with a baud rate other than `gps_baud` or `can_baud` reads garbage; None accepts any.
    `directory` holds the ports' names (default: a temporary directory).
    """

    def __init__(
        self,
        drive: Drive,
        *,
        start_s: float = 0.0,
        gps_hz: int = 5,
        can_rate: float = 100.0,
        protocol: str = "slcan",
        dialect: str = "lawicel",
        receiver: GpsReceiver | None = None,
        engine: Engine | None = None,
        traffic: Traffic | None = None,
        dongle: Dongle | None = None,
        gps_baud: int | None = None,
        can_baud: int | None = None,
        directory: Path | None = None,
    ) -> None:
        self.drive = drive
        engine = engine or Engine(drive)
        self.receiver = receiver or GpsReceiver(drive, gps_hz, seed=drive.utc_s)
        traffic = traffic or Traffic(engine, rate=can_rate)
        self.adapter: CanAdapter | Dongle = (
            dongle or Dongle(engine, traffic)
            if protocol == "elm327"
            else CanAdapter(engine, traffic, protocol, dialect)
        )
        self._start_s, self._began_s = start_s, 0.0
        self._own_folder = None if directory else Path(tempfile.mkdtemp(prefix="stagelog-car-"))
        where = directory or self._own_folder or Path()
        gps = LiveDevice(
            "gps",
            where / "gps",
            tick_s=GPS_TICK_S,
            baud=gps_baud,
            clock=self._clock,
            produce=self._gps_bytes,
        )
        can = LiveDevice(
            "can",
            where / "can",
            tick_s=CAN_TICK_S,
            baud=can_baud,
            clock=self._clock,
            produce=self.adapter.bytes_between,
            answer=self.adapter.feed,
            restart=self.adapter.restart,
        )
        self._devices = {"gps": gps, "can": can}

    @property
    def gps_port(self) -> str:
        """The path to open for NMEA."""
        return str(self._devices["gps"].port.path)

    @property
    def can_port(self) -> str:
        """The path to open for the adapter."""
        return str(self._devices["can"].port.path)

    @property
    def now_s(self) -> float:
        """The current time of the drive (s)."""
        return self._clock()

    def __enter__(self) -> Self:
        self._began_s = time.monotonic()
        for device in self._devices.values():
            device.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for device in self._devices.values():
            device.stop()
        if self._own_folder is not None:
            shutil.rmtree(self._own_folder, ignore_errors=True)

    def unplug(self, name: str) -> None:
        """Unplug device "gps" or "can": the host's port hangs up and its name disappears."""
        self._device(name).set_plugged(False)

    def replug(self, name: str) -> None:
        """Plug a device in again, under the same name on another pty, in its power-up state."""
        self._device(name).set_plugged(True)

    def silence(self, name: str, is_silent: bool = True) -> None:
        """Stop sending, with the port open; the drive continues."""
        self._device(name).is_silent = is_silent

    def damage(self, name: str, share: float) -> None:
        """Corrupt this share (0 to 1) of the bytes from now on."""
        self._device(name).damage_share = share

    def brown_out(self) -> None:
        """Dip the supply of the dongle of protocol "elm327", as cranking the engine does."""
        if not isinstance(self.adapter, Dongle):
            raise ConfigurationError("only a dongle has a brown-out", hint='protocol "elm327"')
        self._devices["can"].apply(self.adapter.brown_out)

    def lost_bytes(self, name: str) -> int:
        """Return the number of bytes that the host did not read in time."""
        return self._device(name).port.lost_bytes

    def _device(self, name: str) -> LiveDevice:
        if name not in self._devices:
            raise ConfigurationError(f'the virtual car has no device "{name}"', hint='"gps" or "can"')
        return self._devices[name]

    def _clock(self) -> float:
        return self._start_s + time.monotonic() - self._began_s

    def _gps_bytes(self, t0_s: float, t1_s: float) -> bytes:
        return b"".join(epoch.data for epoch in self.receiver.bytes_between(t0_s, t1_s))
