"""Simulated SLCAN firmwares of real adapters: accepted commands, answers and output.

One class per family of firmware, one entry of DIALECTS per firmware, each after its source code; those of CANable
boards are in `slcan_canables`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from firmware_bridge.records import CanFrame
from firmware_bridge.virtual.dialogue import Reply
from firmware_bridge.virtual.slcan_canables import (
    Elmue,
    Esp32S3,
    FirstStock,
    Mute,
    MuteNormal,
    Nakakiyo,
    Stock,
    WeAct,
)
from firmware_bridge.virtual.slcan_device import LONGEST_COMMAND, SlcanDialogue


class Usbtin(SlcanDialogue):
    """USBtin: three registers of its MCP2515 for a custom bit rate."""

    version = b"V0101\r"
    custom_bitrate = re.compile(r"s[0-9A-F]{6}")
    wrap_ms = 60_001


class Esp32Ret(SlcanDialogue):
    """ESP32RET's lawicel mode: accepts every command, also opening twice; lower-case hexadecimal."""

    version = b"V1013\n"
    fixed_answers: ClassVar[dict[str, bytes]] = {"N": b"ESP32RET\n", "F": b"F00\r"}
    wrap_ms = 65_536
    lower = True

    def _obeys(self, name: str, argument: str) -> bool:
        if name in "OL" and not argument:
            self._open(listening=name == "L")
        elif name != "s":
            super()._obeys(name, argument)
        return True


class Mintynet(SlcanDialogue):
    """mintynet's ESP32 firmware: accepts opening twice, has no L, acknowledges and ignores M."""

    version = b"V1234\r"
    fixed_answers: ClassVar[dict[str, bytes]] = {"N": b"N2208\r", "F": b"F00\r"}
    sent: ClassVar[tuple[bytes, bytes]] = (b"\r", b"\r")
    bitrate_codes = "345678"

    def _obeys(self, name: str, argument: str) -> bool:
        if name == "O":
            self._open(listening=False)
        elif name == "C":
            self.is_open = False
        elif name == "S":
            if argument[:1] not in tuple(self.bitrate_codes):
                return False
            self.bitrate_code = argument[:1]
        elif name == "Z":
            self.is_stamping = argument[:1] == "1"
        else:
            return name in "Mm"
        return True


class Slcanuino(Mintynet):
    """slcanuino on an Arduino: reports frames even while closed."""

    fixed_answers: ClassVar[dict[str, bytes]] = {"N": b"N1234\r", "F": b"F12\r"}
    bitrate_codes = "34568"
    streams_while_closed = True


class WiCan(SlcanDialogue):
    """WiCAN reads its commands byte by byte: M takes eight characters, and an early CR counts as one."""

    version = b"V2011\r"
    fixed_answers: ClassVar[dict[str, bytes]] = {"N": b"N43010123\r", "F": b"F00\r"}
    sent: ClassVar[tuple[bytes, bytes]] = (b"\r", b"\r")
    _ARGUMENTS: ClassVar[dict[str, int]] = {"S": 1, "Z": 1, "A": 1, "a": 1, "D": 1, "M": 8, "m": 8, "s": 28}

    def feed(self, data: bytes, t_us: int) -> Reply:
        answer = b""
        transmit: list[CanFrame] = []
        for octet in data:
            name = self._line[:1].decode("latin-1")
            argument_length = self._ARGUMENTS.get(name, 0)
            if name in ("t", "T", "r", "R"):
                argument_length = LONGEST_COMMAND if octet != ord("\r") else 0
            if octet == ord("\r") and self._line and len(self._line) > argument_length:
                reply = self._whole(bytes(self._line), t_us)
                self._line.clear()
                answer += reply.answer
                transmit += reply.transmit
            elif self._line or chr(octet) in "OYCLSsaAvVtTrRNZDmMF":
                self._line.append(octet)
        return Reply(answer, tuple(transmit))

    def _whole(self, line: bytes, t_us: int) -> Reply:
        if line[:1] in (b"t", b"T", b"r", b"R"):
            reply, frame = self._transmit(line, t_us)
            return Reply(reply, () if frame is None else (frame,))
        return Reply(self._command(line.decode("latin-1")))

    def _obeys(self, name: str, argument: str) -> bool:
        if name in ("O", "Y", "L"):
            self._open(listening=name == "L")
        elif name == "C":
            self.is_open = False
        elif name == "S" and argument in tuple("012345678"):
            self.bitrate_code = argument
        elif name == "Z":
            self.is_stamping = argument == "1"
        return True


DIALECTS: dict[str, Callable[[], SlcanDialogue]] = {
    "lawicel": SlcanDialogue,
    "usbtin": Usbtin,
    "esp32ret": Esp32Ret,
    "canable": FirstStock,
    "canable2": Stock,
    "canable2.5": Elmue,
    "esp32s3": Esp32S3,
    "weact": WeAct,
    "nakakiyo": Nakakiyo,
    "wican": WiCan,
    "mintynet": Mintynet,
    "slcanuino": Slcanuino,
    "mute": Mute,
    "mute normal": MuteNormal,
}
