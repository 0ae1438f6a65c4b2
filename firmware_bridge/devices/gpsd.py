"""gpsd client: read a receiver's NMEA over TCP, and report the state of gpsd's devices.

    gpsd://HOST[:PORT][/DEVICE]

Every line from gpsd that begins with "{" is JSON, an answer or a notice. All other lines are NMEA, from the receiver
or converted by gpsd from a binary protocol. `GpsdStream` separates them and is sans-I/O. gpsd opens devices for its
watchers, but does not notify a watcher of NMEA when a device is lost or returns. So a link without data repeats its
watch request: the answer lists the devices, and the request opens those that appeared meanwhile.
"""

from __future__ import annotations

import errno
import json
import time
from typing import Any, Final
from urllib.parse import urlsplit

import serial

from firmware_bridge.devices.link import FALLBACK_READ_S, PolledLink
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.devices.port_errors import PORT_ERRORS, cannot_open, error_number
from firmware_bridge.errors import PortError

USUAL_PORT: Final = 2947
MAX_JSON_BYTES: Final = 65_536
"""Bytes kept of a JSON line; gpsd limits an answer to 10,240 characters, a report to four times that."""
ASK_S: Final = 2.0
"""Interval of watch requests while no NMEA arrives: a receiver sends every second, a slow one every two."""
MAX_UNANSWERED: Final = 4
"""Unanswered watch requests after which the connection is closed; gpsd answers at once, whatever its receiver does."""
_FORBIDDEN: Final = (errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES, errno.ENETUNREACH)
"""Errors of a recorder unit without network access."""
_ALLOW: Final = "sudo stagelog install --with gpsd"


class GpsdStream:
    """Bytes from gpsd in, NMEA out. `fault` is one line why no NMEA can arrive, "" while gpsd has a receiver open; then
    `suspect` is one line what to check if none arrives.
    """

    def __init__(self) -> None:
        self.fault = self.suspect = ""
        self._line_begins = True
        self._json: bytearray | None = None

    def feed(self, data: bytes) -> bytes:
        """The NMEA in `data`."""
        if self._json is None and b"{" not in data:
            self._line_begins = data.endswith(b"\n") if data else self._line_begins
            return data
        return b"".join(map(self._part, data.splitlines(keepends=True)))

    def _part(self, part: bytes) -> bytes:
        """The NMEA in a line or a part of a line."""
        if self._line_begins and part.startswith(b"{"):
            self._json = bytearray()
        self._line_begins = part.endswith(b"\n")
        if self._json is None:
            return part
        self._json += part[: MAX_JSON_BYTES - len(self._json)]
        if self._line_begins:
            self._take(bytes(self._json))
            self._json = None
        return b""

    def _take(self, line: bytes) -> None:
        try:
            report = json.loads(line)
        except (ValueError, RecursionError):
            return  # damaged or truncated: another report follows
        if not isinstance(report, dict):
            return
        match report.get("class"):
            case "DEVICES":
                self._judge(report.get("devices"))
            case "DEVICE":
                self._judge([report])
            case "ERROR":
                self.fault = f"gpsd refuses: {_excerpt(report.get('message'))}"

    def _judge(self, devices: Any) -> None:
        known = (
            [device for device in devices if isinstance(device, dict)] if isinstance(devices, list) else []
        )
        paths = ", ".join(_excerpt(device.get("path")) for device in known)
        self.fault = self.suspect = ""
        if not known:
            self.fault = "gpsd has no receiver: plug it in, or name it in DEVICES= of /etc/default/gpsd"
        elif any(device.get("activated") for device in known):
            self.suspect = f"gpsd hears nothing from {paths}: check the receiver's power and wiring"
        else:
            self.fault = (
                f"gpsd cannot open {paths}: plug it in again, or correct DEVICES= of /etc/default/gpsd"
            )


def _excerpt(value: Any) -> str:
    """A value from gpsd as short printable text."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value))[:80]


class GpsdLink(PolledLink):
    """A watching connection to gpsd; `read` returns only NMEA."""

    def __init__(self, url: str, port: serial.SerialBase, outbox: Outbox, device: str) -> None:
        super().__init__(url, port, outbox)
        watch = {"enable": True, "nmea": True, "raw": 0} | ({"device": device} if device else {})
        self._watch = f"?WATCH={json.dumps(watch, separators=(',', ':'))}\n".encode()
        self._stream = GpsdStream()
        self._active_s = -ASK_S
        self._unanswered = 0

    def complaint(self, *, is_silent: bool) -> str:
        return self._stream.fault or (self._stream.suspect if is_silent else "")

    def read(self, wait_s: float) -> bytes:
        now_s = time.monotonic()
        if now_s - self._active_s >= ASK_S:
            if self._unanswered >= MAX_UNANSWERED:
                raise PortError(
                    "lost", "gpsd does not answer", where=self.url, hint="it is connected to again"
                )
            self._unanswered += 1
            self._active_s = now_s
            self._outbox.put(self._watch)
        data = super().read(wait_s)
        if data:
            self._unanswered = 0
        if nmea := self._stream.feed(data):
            self._active_s = time.monotonic()
            self._stream.fault = ""
        return nmea


def parse_url(url: str) -> tuple[str, int, str]:
    """Host, port and device ("" for all) of a gpsd:// URL. Raises ValueError for an invalid port."""
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or USUAL_PORT, parts.path if len(parts.path) > 1 else ""


def open_gpsd(url: str, outbox: Outbox) -> GpsdLink:
    """Connect to the gpsd at `url`. Raises PortError."""
    try:
        host, number, device = parse_url(url)
        host = f"[{host}]" if ":" in host else host
        port = serial.serial_for_url(f"socket://{host}:{number}", timeout=FALLBACK_READ_S)
        return GpsdLink(url, port, outbox, device)
    except PORT_ERRORS as error:
        raise _cannot_connect(url, error) from error


def _cannot_connect(url: str, error: Exception) -> PortError:
    number = error_number(error)
    if number in _FORBIDDEN:
        return PortError("denied", "the recorder may not use the network", where=url, hint=_ALLOW)
    if number == errno.ECONNREFUSED:
        hint = f"sudo systemctl start gpsd.socket; for the service also {_ALLOW}"
        return PortError("missing", "no gpsd answers there", where=url, hint=hint)
    return cannot_open(url, 0, error)
