"""Find the adapter behind a silent port: open it as each protocol would, listen-only, and see which one it answers.

An answer that repeats the question is none: a modem echoes, and so does a plug that connects TX with RX. No frame is
transmitted on a bus, and an adapter is closed again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import NamedTuple

from firmware_bridge.devices.conversation import converse
from firmware_bridge.devices.evidence import Tally
from firmware_bridge.devices.link import Link
from firmware_bridge.devices.open_link import has_rate, open_link
from firmware_bridge.devices.outbox import Outbox
from firmware_bridge.errors import NotOpenedError
from firmware_bridge.protocols import BusSettings, protocol
from logger.doctor.probe_protocols import COMMON_BITRATES, reads

ASKED = ("slcan", "elm327", "gvret")
"""Protocols whose adapters send nothing before they are opened."""
FRAMES_S = 0.5
"""Listening time for frames of an adapter that has answered."""


class Answer(NamedTuple):
    """An adapter's protocol and baud rate. `bitrate` is that of its bus (bit/s) if frames came at it, else None.

    `refusal` is why it cannot be opened listen-only, and how to fix it; "" if it can.
    """

    protocol: str
    baud: int
    bitrate: int | None = None
    refusal: str = ""


def ask(url: str, stop: threading.Event, progress: Callable[[float], None]) -> Answer | None:
    """The adapter at a port; None if none answers. `progress` is called with the share done. Raises PortError."""
    attempts = list(_attempts(url))
    outbox = Outbox()
    with open_link(url, attempts[0][1], outbox) as link:
        for number, (name, baud) in enumerate(attempts):
            progress(number / len(attempts))
            if stop.is_set():
                break
            link.set_rate(baud)
            try:
                answer = _Attempt(name, baud, link, outbox).run(stop)
            finally:
                link.send_closing(protocol(name).closing)
            if answer is not None:
                return answer
    return None


def _attempts(url: str) -> Iterator[tuple[str, int]]:
    """Protocols and rates to try: each protocol at its most usual rate, then at its second, and so on."""
    bauds = [protocol(name).bauds if has_rate(url) else protocol(name).bauds[:1] for name in ASKED]
    for rates in zip_longest(*bauds):
        yield from ((name, baud) for name, baud in zip(ASKED, rates, strict=True) if baud is not None)


class _Attempt:
    """One opening at one rate, and what came back."""

    def __init__(self, name: str, baud: int, link: Link, outbox: Outbox) -> None:
        self._protocol, self._baud = protocol(name), baud
        self._link, self._outbox = link, outbox
        self._tally = Tally(self._protocol.decoder(0), is_mixed=self._protocol.is_mixed)
        self._asked = b""
        self._heard = b""
        self._has_answered = self._is_echo = False

    def run(self, stop: threading.Event) -> Answer | None:
        name = self._protocol.name
        # Without a bit rate an ESP32RET keeps its own, which it stores; the others need one to open.
        bitrate = None if name == "gvret" else COMMON_BITRATES[0]
        refusal = ""
        try:
            converse(self._protocol.opening(BusSettings(bitrate)), self._send, self._read, stop)
        except NotOpenedError as error:
            refusal = "; ".join(filter(None, (error.what, error.hint)))
        else:
            for data in reads(self._link, FRAMES_S, stop):
                self._take(data)
        has_frames = self._tally.counts.holds
        if self._is_echo or not (has_frames or self._has_answered):
            return None
        return Answer(name, self._baud, bitrate if has_frames else None, refusal)

    def _send(self, command: bytes) -> None:
        self._asked, self._heard = command, b""
        self._outbox.put(command)

    def _read(self, wait_s: float) -> bytes:
        data = self._link.read(wait_s)
        self._take(data)
        return data

    def _take(self, data: bytes) -> None:
        self._heard = (self._heard + data)[-len(self._asked) - len(data) :]
        # Firmwares answer a bare line end with a line end, and a dongle echoes until its echo is switched off.
        if self._protocol.name != "elm327" and self._asked.strip(b"\r") and self._asked in self._heard:
            self._is_echo = True
        notices = self._tally.feed(data, 0).notices
        self._has_answered |= any(notice.kind == "adapter_answer" for notice in notices)
