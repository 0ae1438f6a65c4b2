"""Open a port by its URL: a device path, a pyserial URL, a kernel CAN interface, or gpsd."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import serial

from firmware_bridge.devices.link import FALLBACK_READ_S, Link, PolledLink
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.devices.port_errors import PORT_ERRORS, cannot_open

WRITE_TIMEOUT_S = 0.5
"""Timeout of pyserial's write, where it can be set; `PolledLink` does not block."""

POLLED_SCHEMES = ("", "socket", "hwgrep")
"""URL schemes whose ports are plain file descriptors ("" is a device path). The others (loop, rfc2217, spy, ...) do
their work in pyserial's read and write, so they use those."""
RATELESS_SCHEMES = ("socket", "loop", "socketcan", "gpsd")
"""URL schemes whose ports ignore the baud rate."""


def open_link(url: str, baud: int, outbox: Outbox) -> Link:
    """Open a device path, any URL of `serial.serial_for_url`, a CAN interface (socketcan_link.py) or gpsd (gpsd.py).
    Symbolic links in a path are resolved at each call.

    A real port is locked, so that a second recorder gets an error instead of taking bytes. Raises PortError.
    """
    scheme = _scheme(url)
    if scheme == "socketcan":
        from firmware_bridge.devices.socketcan_link import open_interface  # noqa: PLC0415 - only where there is one

        return open_interface(url, outbox)
    if scheme == "gpsd":
        from firmware_bridge.devices.gpsd import open_gpsd  # noqa: PLC0415 - only where there is one

        return open_gpsd(url, outbox)
    try:
        port = serial.serial_for_url(
            url,
            baudrate=baud,
            timeout=FALLBACK_READ_S,
            write_timeout=None if scheme == "rfc2217" else WRITE_TIMEOUT_S,  # pyserial refuses one there
            exclusive=True,
        )
    except PORT_ERRORS as error:
        raise cannot_open(url, baud, error) from error
    return PolledLink(url, port, outbox) if scheme in POLLED_SCHEMES else Link(url, port, outbox)


def is_there(url: str) -> bool:
    """Whether a device exists, or a CAN interface is up; False if only opening can show it."""
    if _scheme(url) == "socketcan":
        from firmware_bridge.devices.can_interface import is_up  # noqa: PLC0415 - only where there is one

        return is_up(urlsplit(url).netloc)
    return Path(url).exists()


def has_rate(url: str) -> bool:
    """Whether the port uses a baud rate."""
    return _scheme(url) not in RATELESS_SCHEMES


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""
