"""Command handling of simulated CAN adapters: commands, answers, and frames to transmit.

Sans-I/O: bytes in, a Reply out. This module has the binary protocols; the dialects of SLCAN are in `slcan_dialects`.
Each dialogue also records, for tests, whether it has acknowledged frames on the bus, which no host can query.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple, Protocol

from firmware_bridge.protocols import protocol
from firmware_bridge.records import CanFrame


class Reply(NamedTuple):
    """The adapter's immediate answer, and the frames that the host asked to transmit."""

    answer: bytes = b""
    transmit: tuple[CanFrame, ...] = ()


class Dialogue(Protocol):
    """An adapter's side of the conversation."""

    @property
    def is_open(self) -> bool: ...

    @property
    def is_reporting(self) -> bool:
        """Whether frames on the bus are reported to the host."""
        ...

    @property
    def been_normal(self) -> bool:
        """Whether it has ever acknowledged frames on the bus."""
        ...

    def feed(self, data: bytes, t_us: int) -> Reply:
        """Take the host's bytes. `t_us` is the adapter's own clock."""
        ...


_GVRET_SEND = struct.Struct("<IBB")
_GVRET_SET_UP = struct.Struct("<II")


class GvretDialogue:
    """ESP32RET's binary protocol: silent before E7, then reports frames and answers queries.

    `has_listen_only` False: firmware that ignores that flag of F1 05; `answers` False: firmware without answers.
    """

    def __init__(self, *, has_listen_only: bool = True, answers: bool = True) -> None:
        self._has_listen_only, self._answers = has_listen_only, answers
        self.is_binary = self.is_enabled = self.is_listening = self.been_normal = False
        self.bitrate = 500_000
        self._held = b""

    @property
    def is_open(self) -> bool:
        """Whether its bus is on and its frames reach the host."""
        return self.is_binary and self.is_enabled

    is_reporting = is_open

    def feed(self, data: bytes, t_us: int) -> Reply:
        held, answer, transmit = self._held + data, b"", []
        at = 0
        while at < len(held):
            if held[at] == 0xE7:
                self.is_binary = True
            elif held[at] == 0xF1:
                length = self._length(held[at:])
                if length is None or at + length > len(held):
                    break
                command = held[at : at + length]
                if command[1] == 0x00 and length > 3:
                    can_id, _, size = _GVRET_SEND.unpack_from(command, 2)
                    if self.is_enabled and not self.is_listening:
                        transmit.append(CanFrame(t_us, 0, can_id, command[8 : 8 + size]))
                elif command[1] == 0x05 and length > 2:
                    self._set_up(*_GVRET_SET_UP.unpack_from(command, 2))
                elif self._answers:
                    answer += self._answer(command[1], t_us)
                at += length - 1
            at += 1
        self._held = held[at:]
        return Reply(answer, tuple(transmit))

    @staticmethod
    def _length(held: bytes) -> int | None:
        """Return the length of the first command; None while too little of it has arrived."""
        if len(held) < 2:
            return None
        if held[1] == 0x00:
            if len(held) < 8:
                return None
            return 9 + held[7] if held[7] <= 8 else 2
        return 10 if held[1] == 0x05 else 2  # 05 sets two buses

    def _set_up(self, bus_0: int, _bus_1: int) -> None:
        self.is_enabled = bool(bus_0) and (not bus_0 & 0x8000_0000 or bool(bus_0 & 0x4000_0000))
        self.is_listening = self._has_listen_only and bool(bus_0 & 0x2000_0000)
        self.bitrate = bus_0 & 0xF_FFFF
        self.been_normal |= self.is_enabled and not self.is_listening

    def _answer(self, command: int, t_us: int) -> bytes:
        mode = self.is_enabled | self.is_listening << 4
        answers = {
            0x01: struct.pack("<I", t_us & 0xFFFF_FFFF),
            0x06: struct.pack("<BIBI", mode, self.bitrate, 0, self.bitrate),
            0x07: b"\x6a\x02\x20\x00\x00\x00",
            0x09: b"\xde\xad",
            0x0C: b"\x02",
            0x0D: bytes(15),
        }
        return bytes((0xF1, command)) + answers[command] if command in answers else b""


class PlainDialogue:
    """Home-made firmware without commands: always open, transmits the frames that the host sends.

    Such firmware may or may not acknowledge frames on the bus; only frames transmitted for the host count here.
    """

    is_open = is_reporting = True

    def __init__(self, name: str) -> None:
        self._decoder = protocol(name).decoder(0)
        self.been_normal = False

    def feed(self, data: bytes, t_us: int) -> Reply:
        self.been_normal |= bool(data)
        frames = self._decoder.feed(data, t_us).frames
        return Reply(transmit=tuple(frame._replace(t_us=t_us) for frame in frames))


DIALOGUES: dict[str, Callable[[], Dialogue]] = {
    "gvret": GvretDialogue,
    "realdash": lambda: PlainDialogue("realdash"),
    "canserial": lambda: PlainDialogue("canserial"),
}
