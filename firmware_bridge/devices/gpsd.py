"""A receiver behind gpsd: its NMEA out of the daemon's TCP dialogue, and what gpsd says of its devices.

    gpsd://HOST[:PORT][/DEVICE]

Every line of gpsd that begins with "{" is JSON, an answer or a notice of its own; all others are NMEA, the receiver's
or what gpsd makes of a binary protocol. `GpsdStream` separates them and is sans-I/O. gpsd opens devices for those who
watch, and does not notify a watcher of NMEA when one is lost or comes back. So a link that hears nothing asks to
watch again: the answer names the devices, and the request opens those that came meanwhile.
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
"""gpsd's own bound of an answer is 10,240 characters, and four times that for a report; the rest is dropped unread."""
ASK_S: Final = 2.0
"""How often a gpsd without news is asked: a receiver speaks every second, a slow one every two."""
UNANSWERED: Final = 4
"""gpsd answers at once, whatever its receiver does: after so many questions the connection leads nowhere."""
_FORBIDDEN: Final = (errno.EAFNOSUPPORT, errno.EPERM, errno.EACCES, errno.ENETUNREACH)
"""What the recorder's unit says of the network, as long as it has none."""
_ALLOW: Final = "sudo stagelog install --with gpsd"


class GpsdStream:
    """Bytes from gpsd in, NMEA out. `fault` is one line on why none can come, "" when gpsd has a receiver open; then
    `suspect` is one on where to look if none comes all the same.
    """

    def __init__(self) -> None:
        self.fault = self.suspect = ""
        self._line_begins = True
        self._json: bytearray | None = None

    def feed(self, data: bytes) -> bytes:
        """What of `data` is not gpsd's own."""
        if self._json is None and b"{" not in data:
            self._line_begins = data.endswith(b"\n") if data else self._line_begins
            return data
        return b"".join(map(self._part, data.splitlines(keepends=True)))

    def _part(self, part: bytes) -> bytes:
        """A line, or a part of one."""
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
            said = json.loads(line)
        except (ValueError, RecursionError):
            return  # damaged, or cut off: another follows
        if not isinstance(said, dict):
            return
        match said.get("class"):
            case "DEVICES":
                self._judge(said.get("devices"))
            case "DEVICE":
                self._judge([said])
            case "ERROR":
                self.fault = f"gpsd refuses: {_word(said.get('message'))}"

    def _judge(self, devices: Any) -> None:
        known = (
            [device for device in devices if isinstance(device, dict)] if isinstance(devices, list) else []
        )
        paths = ", ".join(_word(device.get("path")) for device in known)
        self.fault = self.suspect = ""
        if not known:
            self.fault = "gpsd has no receiver: plug it in, or name it in DEVICES= of /etc/default/gpsd"
        elif any(device.get("activated") for device in known):
            self.suspect = f"gpsd hears nothing from {paths}: check the receiver's power and wiring"
        else:
            self.fault = (
                f"gpsd cannot open {paths}: plug it in again, or correct DEVICES= of /etc/default/gpsd"
            )


def _word(said: Any) -> str:
    """What gpsd said as a short word of a line."""
    return "".join(letter if letter.isprintable() else " " for letter in str(said))[:80]


class GpsdLink(PolledLink):
    """A connection to gpsd that watches; `read` yields NMEA only."""

    def __init__(self, url: str, port: serial.SerialBase, outbox: Outbox, device: str) -> None:
        super().__init__(url, port, outbox)
        watch = {"enable": True, "nmea": True, "raw": 0} | ({"device": device} if device else {})
        self._watch = f"?WATCH={json.dumps(watch, separators=(',', ':'))}\n".encode()
        self._stream = GpsdStream()
        self._news_s = -ASK_S
        self._unanswered = 0

    def complaint(self, *, is_silent: bool) -> str:
        return self._stream.fault or (self._stream.suspect if is_silent else "")

    def read(self, wait_s: float) -> bytes:
        now_s = time.monotonic()
        if now_s - self._news_s >= ASK_S:
            if self._unanswered >= UNANSWERED:
                raise PortError(
                    "lost", "gpsd does not answer", where=self.url, hint="it is connected to again"
                )
            self._unanswered += 1
            self._news_s = now_s
            self._outbox.put(self._watch)
        data = super().read(wait_s)
        if data:
            self._unanswered = 0
        if nmea := self._stream.feed(data):
            self._news_s = time.monotonic()
            self._stream.fault = ""
        return nmea


def place_of(url: str) -> tuple[str, int, str]:
    """Host, port and device ("" for all) of a gpsd:// URL. Raises ValueError when it has a wrong port."""
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or USUAL_PORT, parts.path if len(parts.path) > 1 else ""


def open_gpsd(url: str, outbox: Outbox) -> GpsdLink:
    """Connect to the gpsd at `url`. Raises PortError."""
    try:
        host, number, device = place_of(url)
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
