"""Open a port by its URL: a device path, a URL of pyserial, a CAN interface of the kernel, or gpsd."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import serial

from firmware_bridge.devices.link import FALLBACK_READ_S, Link, PolledLink
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.devices.port_errors import PORT_ERRORS, cannot_open

WRITE_TIMEOUT_S = 0.5
"""How long pyserial's own write may take, where that can be set; our own does not block."""

POLLED_SCHEMES = ("", "socket", "hwgrep")
"""URL schemes whose ports are a file descriptor and nothing more ("" is a device path). The others (loop,
rfc2217, spy, ...) do something in pyserial's read and write, so they go through those."""
RATELESS_SCHEMES = ("socket", "loop", "socketcan", "gpsd")
"""URL schemes whose ports take any baud rate and mean none."""


def open_link(url: str, baud: int, outbox: Outbox) -> Link:
    """Open a device path, any URL of `serial.serial_for_url`, a CAN interface (socketcan.py) or gpsd (gpsd.py); a
    path's symbolic links are followed again each time.

    A real port is locked, so that a second recorder is told instead of stealing bytes. Raises PortError.
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
    """Whether a device can be seen, or a CAN interface is up; False where only opening it can show."""
    if _scheme(url) == "socketcan":
        from firmware_bridge.devices.can_interface import is_up  # noqa: PLC0415 - only where there is one

        return is_up(urlsplit(url).netloc)
    return Path(url).exists()


def has_rate(url: str) -> bool:
    """Whether a baud rate means anything to the port."""
    return _scheme(url) not in RATELESS_SCHEMES


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""
