"""Send OBD-II requests through an ELM327 dongle, one per prompt, and find the car's protocol.

Sans-I/O. The poller decides what to request; a dongle sends the frame, waits for all answers, and prompts. When the
poller changes between 11- and 29-bit requests, the dongle is first set to that protocol. If the bit rate of the bus is
not configured, the two rates of ISO 15765-4 alternate, one discovery each. Only CAN protocols are tried, because
nothing else gives frames. An idle dongle is asked for its voltage, which shows that it is alive and keeps it awake.
"""

from __future__ import annotations

from collections.abc import Sequence

from firmware_bridge.engine.isotp import single_payload
from firmware_bridge.engine.obd2_frames import SUPPORT_PIDS, requested_pids
from firmware_bridge.engine.obd2_poller import PROMPT_TIMEOUT_US, Poller
from firmware_bridge.errors import WireError
from firmware_bridge.protocols.elm327_lines import RESTARTED, plain
from firmware_bridge.records import EFF_FLAG, CanFrame

IDLE_US = 2_500_000
"""Idle time after which a dongle is asked for its voltage; shorter than the time after which a link is "silent"."""
_TAIL_BYTES = 32
_PROTOCOLS = {500_000: (b"6", b"7"), 250_000: (b"8", b"9")}
"""The dongle's protocol numbers for ISO 15765-4, by bit rate: with 11-bit and with 29-bit identifiers."""


class Asker:
    """Schedules the commands to a dongle. With `bitrate` None both bit rates are tried."""

    def __init__(self, poller: Poller, bitrate: int | None) -> None:
        self._poller = poller
        self._bitrates = [bitrate] if bitrate in _PROTOCOLS else list(_PROTOCOLS)
        self._protocol = b""
        self._tail = b""
        self._was_extended = False
        self._commands: list[bytes] = []
        self._sent_us = -IDLE_US
        self._is_ready = True

    def feed(self, data: bytes, frames: Sequence[CanFrame]) -> None:
        """Process bytes received from the dongle, and the frames decoded from them."""
        self._poller.feed(frames)
        self._tail = (self._tail + plain(data))[-_TAIL_BYTES:]
        if RESTARTED.search(self._tail):
            self._protocol = b""  # a restart resets it
        if b">" in data:
            self._is_ready = True
            if not self._commands:
                self._poller.prompted()

    def due(self, t_us: int) -> list[bytes]:
        """The command to send at `t_us`, if any."""
        if not self._is_ready and t_us - self._sent_us < PROMPT_TIMEOUT_US:
            return []
        if not self._commands:
            for frame in self._poller.due(t_us):
                self._ask(frame)
            if not self._commands and t_us - self._sent_us >= IDLE_US:
                self._commands.append(b"ATRV\r")
        if not self._commands:
            return []
        self._is_ready, self._sent_us = False, t_us
        return [self._commands.pop(0)]

    def _ask(self, frame: CanFrame) -> None:
        pids, is_extended = requested_pids(frame.data), bool(frame.can_id & EFF_FLAG)
        if self._was_extended and not is_extended and pids == SUPPORT_PIDS[:1]:
            # No answer to either kind of identifier at this rate: the other one is next.
            self._bitrates.append(self._bitrates.pop(0))
        self._was_extended = is_extended
        protocol = _PROTOCOLS[self._bitrates[0]][is_extended]
        if protocol != self._protocol or pids == SUPPORT_PIDS[:1]:
            self._protocol = protocol
            self._commands.append(b"ATSP" + protocol + b"\r")
        self._commands.append(encode(frame))


def encode(frame: CanFrame) -> bytes:
    """The command that sends an OBD-II request. WireError for any other frame, which a dongle cannot send."""
    payload = single_payload(frame.data)
    if payload is None:
        raise WireError(f"an ELM327 cannot send frame {frame.can_id:X} {frame.data.hex()}")
    return payload.hex().upper().encode() + b"\r"


asker = Asker
