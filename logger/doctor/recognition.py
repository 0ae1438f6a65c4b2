"""Recognise the devices that are plugged in: which port is the GPS receiver, which is a CAN adapter, and its protocol.

A port is listened to first. One that stays silent is then asked: an adapter waits for commands.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from firmware_bridge.devices import can_interface
from firmware_bridge.devices.gpsd import USUAL_PORT
from firmware_bridge.devices.open_link import has_rate, open_link
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.errors import PortError
from firmware_bridge.protocols import NMEA_BAUDS, BusSettings, protocol
from logger.doctor.probe_answers import ask
from logger.doctor.probe_protocols import TRIAL_S, find_bitrate, identify, reads
from logger.install import adapters
from logger.recorder.setup import PortPlan

STABLE_NAMES = (Path("/dev/stagelog-gps"), Path("/dev/stagelog-can"), Path("/dev/serial/by-id"))
"""Links to adapters, or folders of links, whose names stay when the adapters change places; the first is taken."""
UARTS = (Path("/dev/serial0"),)
"""A Raspberry Pi's own serial port, for a receiver on its header; as USB adapters it needs no name of its own."""
CONSOLES = Path("/sys/class/tty/console/active")
"""The ports on which the system itself talks: these are left alone."""
GPSD = "gpsd://localhost"
INTERFACES = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class Device:
    """What is at a port. `protocol` is "" if it was not recognised.

    `baud` is the rate at which it was recognised, `bitrate` that of its bus (bit/s), each None if not known. `trouble`
    is why the port or the adapter cannot be opened as the recorder would, and how to fix it.
    """

    port: str
    description: str = ""
    protocol: str = ""
    baud: int | None = None
    bitrate: int | None = None
    trouble: str = ""

    @property
    def is_gps(self) -> bool:
        """Whether it is a GPS receiver."""
        return self.protocol == "nmea"

    @property
    def is_can(self) -> bool:
        """Whether it is a CAN adapter or a CAN interface."""
        return bool(self.protocol) and not self.is_gps

    def __str__(self) -> str:
        name = f"{self.port} ({self.description})" if self.description else self.port
        what = ""
        if self.is_gps:
            what = f"GPS receiver, {self.baud} baud" if has_rate(self.port) else "GPS receiver"
        elif self.is_can:
            what = f"CAN adapter, {self.protocol}" + (
                f", bus at {self.bitrate} bit/s" if self.bitrate else ""
            )
        return f"{name}: {'; '.join(filter(None, (what, self.trouble))) or 'not recognised'}"


def plugged() -> list[Device]:
    """The ports of this machine where a receiver or an adapter may be, with stable names, not yet recognised.

    gpsd comes first: if it has a receiver, nobody else may read the receiver's port.
    """
    found = [Device(stable_name(each.device), each.description) for each in adapters.plugged()]
    consoles = CONSOLES.read_text().split() if CONSOLES.exists() else []
    uarts = [path for path in UARTS if path.exists() and path.resolve().name not in consoles]
    gpsd = [Device(GPSD)] if _has_gpsd() else []
    return [
        *gpsd,
        *found,
        *(Device(str(path), "this machine's serial port") for path in uarts),
        *_interfaces(),
    ]


def at(name: str) -> Device:
    """The device at a path, a URL or a CAN interface, not yet recognised; a path is made absolute."""
    if "://" in name:
        return Device(name)
    interface = next((device for device in _interfaces() if device.port == name), None)
    return interface or Device(stable_name(str(Path(name).absolute())))


def recognize_all(
    devices: Sequence[Device], stop: threading.Event, progress: Callable[[float], None]
) -> list[Device]:
    """Recognise all devices in parallel. `progress` is called with the share that is done."""
    shares = [0.0] * len(devices)

    def one(index: int) -> Device:
        def advance(share: float) -> None:
            shares[index] = share
            progress(sum(shares) / len(shares))

        found = recognize(devices[index], stop, advance)
        advance(1.0)
        return found

    with ThreadPoolExecutor(max(1, len(devices))) as pool:
        try:
            return list(pool.map(one, range(len(devices))))
        finally:
            stop.set()  # for the other threads, after an interrupt


def recognize(device: Device, stop: threading.Event, progress: Callable[[float], None]) -> Device:
    """The same device with its protocol and rates, as far as they can be found."""
    if device.protocol:
        return device
    try:
        return _recognize(device, stop, progress)
    except PortError as error:
        return replace(device, trouble="; ".join(filter(None, (error.what, error.hint))))


def stable_name(device: str, names: Sequence[Path] = STABLE_NAMES) -> str:
    """A link to the device that stays valid after it was unplugged; the device itself if it has none."""
    for place in names:
        for link in sorted(place.iterdir()) if place.is_dir() else [place]:
            if link.is_symlink() and str(link.resolve()) == device:
                return str(link)
    return device


def _recognize(device: Device, stop: threading.Event, progress: Callable[[float], None]) -> Device:
    """Listen, ask, and listen longer: for a receiver that sends more rarely than once a second. Raises PortError."""
    heard = identify(device.port, stop) if _is_talking(device.port, stop) else None
    if heard is None and (answer := ask(device.port, stop, progress)) is not None:
        bitrate = answer.bitrate
        if answer.protocol == "slcan" and not (bitrate or answer.refusal):
            plan = PortPlan("", device.port, answer.baud, protocol("slcan"), BusSettings())
            bitrate = find_bitrate(plan, answer.baud, stop).bitrate
        return replace(
            device, protocol=answer.protocol, baud=answer.baud, bitrate=bitrate, trouble=answer.refusal
        )
    name, baud = heard or identify(device.port, stop) or ("", None)
    return replace(device, protocol=name, baud=baud)


def _is_talking(port: str, stop: threading.Event) -> bool:
    """Whether bytes arrive without a command: at a wrong rate they arrive too, as garbage. Raises PortError."""
    with open_link(port, NMEA_BAUDS[0], Outbox()) as link:
        return any(reads(link, TRIAL_S, stop))


def _has_gpsd() -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", USUAL_PORT)) == 0


def _interfaces() -> Iterator[Device]:
    for path in sorted(INTERFACES.iterdir()) if INTERFACES.is_dir() else []:
        with suppress(OSError):  # netlink is not allowed
            if (actual := can_interface.ask(path.name)) is not None and actual.is_can:
                yield Device(path.name, "CAN interface", "socketcan", bitrate=actual.bitrate)
