"""What a CAN adapter does with the bytes its host sends: commands, their answers, frames to transmit.

One class a protocol, sans-I/O: bytes in, a Reply out. The dialects are those of real firmwares, with their
silence and their spelling; what a host may rely on in none of them is not done here either.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from firmware_bridge.errors import WireError
from firmware_bridge.protocols import protocol
from firmware_bridge.protocols.slcan_line import parse
from firmware_bridge.records import EFF_FLAG, CanFrame

LONGEST_COMMAND = 160
"""An FD frame of 64 bytes has 141 characters; what is longer is noise and is dropped."""


class Reply(NamedTuple):
    """What the adapter says at once, and the frames it was told to transmit."""

    answer: bytes = b""
    transmit: tuple[CanFrame, ...] = ()


class Dialogue(Protocol):
    """An adapter's side of the conversation. Frames are reported to the host only while `is_open`."""

    @property
    def is_open(self) -> bool: ...

    def feed(self, data: bytes, t_us: int) -> Reply:
        """Take what the host sent. `t_us` is the adapter's own clock."""
        ...


@dataclass(frozen=True)
class Dialect:
    """How one family of SLCAN firmware answers, and how it writes."""

    ok: bytes
    error: bytes
    sent: tuple[bytes, bytes]
    """For a standard and an extended frame that was transmitted."""
    version: bytes
    tells: bool = True
    """Whether it has a serial number and a status to tell."""
    has_listen_command: bool = True
    """Whether `L` listens; otherwise it is `M1` before `O`."""
    wrap_ms: int = 60_000
    lower: bool = False


DIALECTS = {
    "lawicel": Dialect(b"\r", b"\a", (b"z\r", b"Z\r"), b"V1013\r"),
    "usbtin": Dialect(b"\r", b"\a", (b"z\r", b"Z\r"), b"V0101\r", wrap_ms=60_001),
    "canable2": Dialect(b"", b"", (b"", b""), b"", tells=False, has_listen_command=False),
    "canable2.5": Dialect(b"#\r", b"#1\r", (b"#\r", b"#\r"), b"#\r", tells=False, has_listen_command=False),
    "esp32ret": Dialect(b"\r", b"\a", (b"z\r", b"Z\r"), b"V1013\n", wrap_ms=65_536, lower=True),
}
_TELLS = {"V": b"", "N": b"NVCAR\r", "F": b"F00\r"}


class SlcanDialogue:
    """Lawicel's commands in one of DIALECTS. Starts closed, without stamps."""

    def __init__(self, dialect: str = "lawicel") -> None:
        self.dialect = DIALECTS[dialect]
        self.is_open = self.is_listening = self.is_stamping = False
        self.bitrate_code = ""
        self._line = bytearray()

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
                said, frame = self._transmit(line, t_us)
                answer += said
                transmit += [] if frame is None else [frame]
            else:
                answer += self._command(line.decode("ascii", "replace"))
        return Reply(answer, tuple(transmit))

    def _transmit(self, line: bytes, t_us: int) -> tuple[bytes, CanFrame | None]:
        if not self.is_open or self.is_listening:
            return self.dialect.error, None
        try:
            can_id, data, _ = parse(line + b"\r")
        except WireError:
            return self.dialect.error, None
        return self.dialect.sent[bool(can_id & EFF_FLAG)], CanFrame(t_us, 0, can_id, data)

    def _command(self, line: str) -> bytes:
        """The answer to a command line; a command that is unknown or comes at a wrong time is an error."""
        name, argument = line[:1], line[1:]
        if not name:
            return b""  # a host that flushes the adapter's input
        if name in _TELLS and not argument:
            return self.dialect.version if name == "V" else _TELLS[name] if self.dialect.tells else b""
        return self.dialect.ok if self._obeys(name, argument) else self.dialect.error

    def _obeys(self, name: str, argument: str) -> bool:
        if name == "C" and not argument:
            self.is_open = False
            return True
        if self.is_open:
            return False
        if name == "S" and len(argument) == 1 and argument in "012345678":
            self.bitrate_code = argument
        elif name == "Z" and argument in ("0", "1"):
            self.is_stamping = argument == "1"
        elif name == "M" and argument in ("0", "1") and not self.dialect.has_listen_command:
            self.is_listening = argument == "1"
        elif name == "L" and not argument and self.dialect.has_listen_command:
            self.is_open = self.is_listening = True
        elif name == "O" and not argument:
            self.is_open = True
            self.is_listening = self.is_listening and not self.dialect.has_listen_command
        else:
            return False
        return True


_GVRET_SEND = struct.Struct("<IBB")


class GvretDialogue:
    """ESP32RET's binary side: says nothing before E7, then reports frames and answers queries."""

    def __init__(self) -> None:
        self.is_open = False
        self._held = b""

    def feed(self, data: bytes, t_us: int) -> Reply:
        held, answer, transmit = self._held + data, b"", []
        at = 0
        while at < len(held):
            if held[at] == 0xE7:
                self.is_open = True
            elif held[at] == 0xF1:
                length = self._length(held[at:])
                if length is None or at + length > len(held):
                    break
                command = held[at : at + length]
                if command[1] == 0x00 and length > 3:
                    can_id, _, size = _GVRET_SEND.unpack_from(command, 2)
                    transmit.append(CanFrame(t_us, 0, can_id, command[8 : 8 + size]))
                else:
                    answer += self._answer(command[1], t_us)
                at += length - 1
            at += 1
        self._held = held[at:]
        return Reply(answer, tuple(transmit))

    @staticmethod
    def _length(held: bytes) -> int | None:
        """How long the command at the front is; None while too little of it is there to say."""
        if len(held) < 2:
            return None
        if held[1] == 0x00:
            if len(held) < 8:
                return None
            return 9 + held[7] if held[7] <= 8 else 2
        return 10 if held[1] == 0x05 else 2  # 05 sets two bit rates

    @staticmethod
    def _answer(command: int, t_us: int) -> bytes:
        bitrate_500k = b"\x01\x20\xa1\x07\x00"
        answers = {
            0x01: struct.pack("<I", t_us & 0xFFFF_FFFF),
            0x06: bitrate_500k + b"\x00\x20\xa1\x07\x00",
            0x07: b"\x6a\x02\x20\x00\x00\x00",
            0x09: b"\xde\xad",
            0x0C: b"\x02",
            0x0D: bytes(15),
        }
        return bytes((0xF1, command)) + answers[command] if command in answers else b""


class PlainDialogue:
    """Home-made firmware without commands: always open, transmits the frames that the host sends."""

    is_open = True

    def __init__(self, name: str) -> None:
        self._decoder = protocol(name).decoder(0)

    def feed(self, data: bytes, t_us: int) -> Reply:
        frames = self._decoder.feed(data, t_us).frames
        return Reply(transmit=tuple(frame._replace(t_us=t_us) for frame in frames))


DIALOGUES: dict[str, Callable[[], Dialogue]] = {
    "gvret": GvretDialogue,
    "realdash": lambda: PlainDialogue("realdash"),
    "canserial": lambda: PlainDialogue("canserial"),
}
