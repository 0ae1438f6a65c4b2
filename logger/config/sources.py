"""The sources in a configuration: the GPS receiver and the CAN adapters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import xor
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from firmware_bridge.engine import PRESET_NAMES
from firmware_bridge.protocols import PROTOCOL_NAMES
from logger.tomlconfig.schema import Flaw, empty, one_of, within

CAN_PROTOCOLS = tuple(name for name in PROTOCOL_NAMES if name != "nmea")

_BAUD = within(300, 12_000_000)  # from the slowest GPS receiver to the fastest USB serial chip
BITRATE = within(5_000, 1_000_000)  # the range of a classic CAN controller
_DATA_BITRATE = within(5_000, 8_000_000)  # CAN FD, up to the limit of transceivers
OBD2_BITRATES = (500_000, 250_000)
"""The bit rates of ISO 15765-4, the only ones at which an ELM327 sends requests."""
DATA_BITRATE_PROTOCOLS = ("slcan", "socketcan")
"""Protocols with a command for the data bit rate of CAN FD."""
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", re.ASCII)
"""Names of network interfaces: the kernel allows 15 characters."""
_INTERFACE_URL = "socketcan:"
"""Begin of the URL that the recorder makes of an interface."""


@dataclass(frozen=True, slots=True)
class Gps:
    """The GPS receiver. `port` is a device, a pyserial URL or gpsd://HOST:PORT; each line of `init` is sent every
    time the port opens. With `checksum = "optional"`, sentences without a checksum are accepted."""

    port: str
    name: str = "gps"
    baud: int | Literal["auto"] = field(default="auto", metadata=_BAUD)
    init: tuple[str, ...] = ()
    checksum: str = field(default="required", metadata=one_of(("required", "optional")))

    def flaws(self) -> Iterable[Flaw]:
        yield from empty(("port", self.port), ("name", self.name))
        if self.is_gpsd:
            yield from self._gpsd_flaws()
        yield from _no_interface(self.port)
        for index, sentence in enumerate(self.init):
            body, star, checksum = sentence.removeprefix("$").partition("*")
            right = f"{reduce(xor, body.encode(), 0):02X}"
            if not sentence.isascii() or not sentence.isprintable():
                what = "has characters that a receiver does not accept"
                yield Flaw(("init", index), what, "write it in plain ASCII; the line end is added")
            elif star and checksum.upper() != right:
                what = f"the checksum is {checksum or 'missing'}, so the receiver would ignore it"
                yield Flaw(("init", index), what, f"end it with *{right}")

    @property
    def is_gpsd(self) -> bool:
        """Whether gpsd provides the receiver."""
        return self.port.lower().startswith("gpsd://")

    def _gpsd_flaws(self) -> Iterable[Flaw]:
        try:
            urlsplit(self.port).port  # noqa: B018 - reading it is the check
        except ValueError:
            yield Flaw(("port",), "has no valid port number", 'write it as "gpsd://localhost:2947"')
        if self.init:
            yield Flaw(
                ("init",),
                "gpsd does not pass it on to the receiver",
                "remove it: gpsd configures the receiver",
            )


@dataclass(frozen=True, slots=True)
class Can:
    """A CAN adapter and the data read from its bus. With `poll` it also sends OBD-II requests to the engine.

    For "socketcan", `port` is an interface such as can0, and `bitrate` and `listen_only` are its settings.
    """

    name: str
    port: str
    protocol: str = field(metadata=one_of(CAN_PROTOCOLS))
    baud: int | Literal["auto"] = field(default="auto", metadata=_BAUD)
    bitrate: int | None = field(default=None, metadata=BITRATE)
    data_bitrate: int | None = field(default=None, metadata=_DATA_BITRATE)
    listen_only: bool | Literal["try"] = True
    dbc: tuple[Path, ...] = ()
    preset: str | None = field(default=None, metadata=one_of(PRESET_NAMES))
    poll: bool = False

    @property
    def is_interface(self) -> bool:
        """Whether `port` is a CAN interface of the kernel, not a path."""
        return self.protocol == "socketcan"

    def flaws(self) -> Iterable[Flaw]:
        yield from empty(("port", self.port), ("name", self.name))
        if self.data_bitrate is not None and self.protocol not in DATA_BITRATE_PROTOCOLS:
            what = f"{self.protocol} has no command for it"
            yield Flaw(("data_bitrate",), what, "remove it: the adapter's own setting applies")
        elif self.data_bitrate is not None and self.data_bitrate < (self.bitrate or 0):
            what = f"{self.data_bitrate} is less than bitrate"
            yield Flaw(("data_bitrate",), what, "set it to at least bitrate")
        if self.is_interface:
            if self.port and not _INTERFACE.fullmatch(self.port):
                what = f"{self.port!r} is not a CAN interface name"
                yield Flaw(("port",), what, 'name an interface, such as port = "can0"')
            if self.baud != "auto":
                yield Flaw(
                    ("baud",), "a CAN interface has no baud rate", "remove it; set `bitrate` for the bus"
                )
        else:
            yield from _no_interface(self.port)
        if self.poll and self.listen_only:
            word = "true" if self.listen_only is True else f'"{self.listen_only}"'
            what = f"OBD-II polling transmits, but listen_only = {word} forbids that"
            yield Flaw(("poll",), what, "set poll = false, or listen_only = false")
        if self.protocol == "elm327":
            yield from self._dongle_flaws()
        if self.poll and self.preset != "obd2":
            yield Flaw(("poll",), "nothing reads the OBD-II answers", 'add preset = "obd2"')

    def _dongle_flaws(self) -> Iterable[Flaw]:
        """An ELM327 either sends requests or listens; it detects the bit rate only with requests."""
        if not self.poll and self.listen_only is False:
            what = "an ELM327 that does not listen must poll"
            yield Flaw(("listen_only",), what, "set poll = true, or listen_only = true")
        if not self.poll and self.bitrate is None:
            what = "missing: an ELM327 detects the bit rate only when it polls"
            yield Flaw(("bitrate",), what, "add bitrate = 500000, or the rate of this bus")
        if self.poll and self.bitrate not in (None, *OBD2_BITRATES):
            what = f"OBD-II has no bit rate {self.bitrate}"
            yield Flaw(("bitrate",), what, "set it to 500000 or 250000, or remove it to try both")


def _no_interface(port: str) -> Iterable[Flaw]:
    """Flaws of a port that must not be a CAN interface, whose URL the recorder uses internally."""
    if port.lower().startswith(_INTERFACE_URL):
        what = "neither a serial port nor a URL of one"
        yield Flaw(("port",), what, 'a CAN interface is port = "can0" with protocol = "socketcan"')
