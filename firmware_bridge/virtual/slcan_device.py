"""Simulated SLCAN adapter after Lawicel's manual, the base of all dialects.

For tests it records whether it acknowledges frames on the bus, and whether it ever has, which no host can query.
"""

from __future__ import annotations

import re
from typing import ClassVar

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.slcan_line import parse
from firmware_bridge.records import EFF_FLAG, CanFrame
from firmware_bridge.virtual.dialogue import Reply

LONGEST_COMMAND = 160
"""An FD frame of 64 bytes has 141 characters; a longer line is noise and is dropped."""
OK, ERROR = b"\r", b"\a"


class SlcanDialogue:
    """Lawicel's commands after its manual. Starts closed, without timestamps."""

    version: bytes = b"V1013\r"
    sent: ClassVar[tuple[bytes, bytes]] = (b"z\r", b"Z\r")
    """Answers to a standard and an extended frame that was transmitted."""
    fixed_answers: ClassVar[dict[str, bytes]] = {"N": b"NVCAR\r", "F": b"F00\r"}
    custom_bitrate = re.compile(r"s[0-9A-F]{4}")
    wrap_ms = 60_000
    lower = False
    streams_while_closed = False

    def __init__(self) -> None:
        self.is_open = self.is_listening = self.is_stamping = False
        self.been_normal = False
        """Whether it has ever acknowledged frames."""
        self.bitrate_code = ""
        """The last bit-rate command: an S code, or a whole command for a custom bit rate."""
        self.data_bitrate_code = ""
        self._line = bytearray()

    @property
    def is_reporting(self) -> bool:
        """Whether frames on the bus are reported to the host."""
        return self.is_open or self.streams_while_closed

    def feed(self, data: bytes, t_us: int) -> Reply:
        answer, transmit = b"", []
        for octet in data:
            if octet != ord("\r"):
                self._line.append(octet)
                if len(self._line) > LONGEST_COMMAND:
                    self._line.clear()
                continue
            line = bytes(self._line)
            self._line.clear()
            if line[:1] in (b"t", b"T", b"r", b"R"):
                reply, frame = self._transmit(line, t_us)
                answer += reply
                transmit += [] if frame is None else [frame]
            elif line:  # an empty line: a host that flushes the adapter's input
                answer += self._command(line.decode("ascii", "replace"))
        return Reply(answer, tuple(transmit))

    def _transmit(self, line: bytes, t_us: int) -> tuple[bytes, CanFrame | None]:
        if not self.is_open or self.is_listening:
            return self._result(accepted=False), None
        try:
            can_id, data, _ = parse(line + b"\r")
        except WireError:
            return self._result(accepted=False), None
        return self.sent[bool(can_id & EFF_FLAG)], CanFrame(t_us, 0, can_id, data)

    def _command(self, line: str) -> bytes:
        """Return the answer to a command line; an unknown or untimely command is an error."""
        if line == "V":
            return self.version
        return self.fixed_answers.get(line) or self._result(accepted=self._obeys(line[:1], line[1:]))

    def _result(self, *, accepted: bool) -> bytes:
        return OK if accepted else ERROR

    def _obeys(self, name: str, argument: str) -> bool:
        if name == "C" and not argument:
            self.is_open = False
            return True
        if self.is_open:
            return False
        if name == "S" and len(argument) == 1 and argument in "012345678":
            self.bitrate_code = argument
        elif self.custom_bitrate.fullmatch(name + argument):
            self.bitrate_code = name + argument
        elif name == "Z" and argument in ("0", "1"):
            self.is_stamping = argument == "1"
        elif name == "M":
            return len(argument) == 8
        elif name == "L" and not argument:
            self._open(listening=True)
        elif name == "O" and not argument:
            self._open(listening=False)
        else:
            return False
        return True

    def _open(self, *, listening: bool) -> None:
        self.is_open, self.is_listening = True, listening
        self.been_normal |= not listening
