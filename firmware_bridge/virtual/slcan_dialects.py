"""The SLCAN firmwares of real adapters, as far as a host can tell: what each obeys, answers and writes.

One class a family of firmware, one entry of DIALECTS a firmware, each as its source has it. A dialogue keeps the truth
that no host can ask for: whether it acknowledges frames on the bus, and whether it ever has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.slcan_line import parse
from firmware_bridge.records import EFF_FLAG, CanFrame
from firmware_bridge.virtual.dialogue import Reply

LONGEST_COMMAND = 160
"""An FD frame of 64 bytes has 141 characters; what is longer is noise and is dropped."""
OK, ERROR = b"\r", b"\a"


class SlcanDialogue:
    """Lawicel's commands, as its manual has them. Starts closed, without stamps."""

    version: bytes = b"V1013\r"
    sent: ClassVar[tuple[bytes, bytes]] = (b"z\r", b"Z\r")
    """For a standard and an extended frame that was transmitted."""
    told: ClassVar[dict[str, bytes]] = {"N": b"NVCAR\r", "F": b"F00\r"}
    custom_bitrate = re.compile(r"s[0-9A-F]{4}")
    wrap_ms = 60_000
    lower = False
    streams_while_closed = False

    def __init__(self) -> None:
        self.is_open = self.is_listening = self.is_stamping = False
        self.been_normal = False
        """Whether it has ever acknowledged frames."""
        self.bitrate_code = ""
        """What it was told last: an S code, or a whole command for a custom bit rate."""
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
                said, frame = self._transmit(line, t_us)
                answer += said
                transmit += [] if frame is None else [frame]
            elif line:  # an empty one: a host that flushes the adapter's input
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
        """The answer to a command line; a command that is unknown or comes at a wrong time is an error."""
        if line == "V":
            return self.version
        return self.told.get(line) or self._result(accepted=self._obeys(line[:1], line[1:]))

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


class Usbtin(SlcanDialogue):
    """USBtin: three registers of its MCP2515 for a custom bit rate."""

    version = b"V0101\r"
    custom_bitrate = re.compile(r"s[0-9A-F]{6}")
    wrap_ms = 60_001


class Esp32Ret(SlcanDialogue):
    """ESP32RET's lawicel mode: never refuses, opens again whenever it is told to, small letters."""

    version = b"V1013\n"
    told: ClassVar[dict[str, bytes]] = {"N": b"ESP32RET\n", "F": b"F00\r"}
    wrap_ms = 65_536
    lower = True

    def _obeys(self, name: str, argument: str) -> bool:
        if name in "OL" and not argument:
            self._open(listening=name == "L")
        elif name != "s":
            super()._obeys(name, argument)
        return True


class Stock(SlcanDialogue):
    """CANable's and CANable 2's own firmware: acknowledges nothing, and opens normal whatever M said."""

    version = b"b158aa7 github.com/normaldotcom/canable2-fw.git\r"
    sent: ClassVar[tuple[bytes, bytes]] = (b"", b"")
    told: ClassVar[dict[str, bytes]] = {}

    def _result(self, *, accepted: bool) -> bytes:
        return b""

    def _obeys(self, name: str, argument: str) -> bool:
        if name == "Y" and argument in tuple("1245"):
            self.data_bitrate_code = argument
            return True
        if name == "S" and argument == "9" and not self.is_open:
            self.bitrate_code = argument
            return True
        return name in "COS" and super()._obeys(name, argument)


class FirstStock(Stock):
    """The firmware of the first CANable: as the second's, without CAN FD."""

    version = b"4c6e4ac https://github.com/normaldotcom/canable-fw.git\r"

    def _obeys(self, name: str, argument: str) -> bool:
        return name != "Y" and argument != "9" and super()._obeys(name, argument)


class Mute(Stock):
    """Home-made firmware that says nothing at all, and listens when it is told to."""

    version = b""

    def _obeys(self, name: str, argument: str) -> bool:
        return SlcanDialogue._obeys(self, name, argument)


class MuteNormal(Stock):
    """One that says nothing and has no way to listen only."""

    version = b""


class WeAct(SlcanDialogue):
    """WeAct's own firmware for USB2CANFD: M1 is remembered until M0, L is unknown."""

    version = b"WeAct Studio V1.0.0.0_20240110\r"
    told: ClassVar[dict[str, bytes]] = {}
    sent: ClassVar[tuple[bytes, bytes]] = (b"", b"")

    def __init__(self) -> None:
        super().__init__()
        self._is_silent = False

    def _obeys(self, name: str, argument: str) -> bool:
        if self.is_open and name != "C":
            return False
        if name == "O" and not argument:
            self._open(listening=self._is_silent)
        elif name == "M" and argument in ("0", "1"):
            self._is_silent = argument == "1"
        elif name == "S" and re.fullmatch(r"[0-9A-D]|[0-9A-F]{4}|[0-9A-F]{6}", argument):
            self.bitrate_code = argument if len(argument) == 1 else name + argument
        elif name == "Y" and argument in tuple("12345"):
            self.data_bitrate_code = argument
        else:
            return name == "C" and super()._obeys(name, argument)
        return True


class Elmue(SlcanDialogue):
    """CANable 2.5: answers with # once MF has asked for it, L reports the bus load, C resets everything."""

    version = (
        b"+Board: Multiboard\tMCU: STM32G431\tDevID: 1128\tFirmware: 2427156\tSlcan: 101\tClock: 160\tChannels: 1"
        b"\tQuartz: No\tLimits: 512,256,128,128,32,32,16,16\tHAL: 1.2.3\r"
    )
    told: ClassVar[dict[str, bytes]] = {}
    custom_bitrate = re.compile(r"s\d+,\d+,\d+,\d+")
    answers_from_the_start = False
    plain_open_is_normal = False

    def __init__(self) -> None:
        super().__init__()
        self._reset()

    def _reset(self) -> None:
        self._is_silent = False
        self._answers = self.answers_from_the_start

    def _command(self, line: str) -> bytes:
        said = super()._command(line)
        return b"" if line == "C" else said

    def _result(self, *, accepted: bool) -> bytes:
        return (b"#\r" if accepted else b"#2\r") if self._answers else b""

    def _transmit(self, line: bytes, t_us: int) -> tuple[bytes, CanFrame | None]:
        said, frame = super()._transmit(line, t_us)
        return (self._result(accepted=True) if frame else said), frame

    def _obeys(self, name: str, argument: str) -> bool:
        if name == "C" and not argument:
            self.is_open = False
            self._reset()
        elif name == "M" and argument in ("F", "f"):
            self._answers = argument == "F"
        elif name == "L":
            return argument.isdigit()
        elif self.is_open:
            return False
        elif name == "M" and argument in ("0", "1"):
            self._is_silent = argument == "1"
        elif name == "O" and argument in ("", "N", "S"):
            if argument or self.plain_open_is_normal:
                self._is_silent = argument == "S"
            self._open(listening=self._is_silent)
        elif name == "Y" and argument in tuple("012458"):
            self.data_bitrate_code = argument
        elif name == "S" or self.custom_bitrate.fullmatch(name + argument):
            return super()._obeys(name, argument)
        else:
            return False
        return True


class Esp32S3(Elmue):
    """The port of CANable 2.5 to ESP32-S3: answers from the start, no custom bit rates, no CAN FD, stamps."""

    version = (
        b"+Board: ESP32-S3-SLCAN\tMCU: ESP32-S3\tDevID: 0\tFirmware: 1.1.0\tSlcan: 101\tClock: 80\tChannels: 1"
        b"\tQuartz: No\tLimits: 0,0,0,0,0,0,0,0\r"
    )
    told: ClassVar[dict[str, bytes]] = {"F": b"F00\r", "N": b"N1234\r"}
    answers_from_the_start = plain_open_is_normal = True

    def _obeys(self, name: str, argument: str) -> bool:
        if name in ("s", "Y"):
            return False
        if name == "S" and argument == "9" and not self.is_open:
            self.bitrate_code = argument
            return True
        if name == "Z":
            return SlcanDialogue._obeys(self, name, argument)
        return super()._obeys(name, argument)


class Mintynet(SlcanDialogue):
    """mintynet's ESP32 firmware: opens again whenever it is told to, no L, M acknowledged and ignored."""

    version = b"V1234\r"
    told: ClassVar[dict[str, bytes]] = {"N": b"N2208\r", "F": b"F00\r"}
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
    """slcanuino on an Arduino: reports frames whether it is open or not."""

    told: ClassVar[dict[str, bytes]] = {"N": b"N1234\r", "F": b"F12\r"}
    bitrate_codes = "34568"
    streams_while_closed = True


class WiCan(SlcanDialogue):
    """WiCAN takes its commands byte by byte: M waits for eight digits, and no CR is none of them."""

    version = b"V2011\r"
    told: ClassVar[dict[str, bytes]] = {"N": b"N43010123\r", "F": b"F00\r"}
    sent: ClassVar[tuple[bytes, bytes]] = (b"\r", b"\r")
    _ARGUMENTS: ClassVar[dict[str, int]] = {"S": 1, "Z": 1, "A": 1, "a": 1, "D": 1, "M": 8, "m": 8, "s": 28}

    def feed(self, data: bytes, t_us: int) -> Reply:
        answer = b""
        transmit: list[CanFrame] = []
        for octet in data:
            name = self._line[:1].decode("latin-1")
            wanted = self._ARGUMENTS.get(name, 0)
            if name in ("t", "T", "r", "R"):
                wanted = LONGEST_COMMAND if octet != ord("\r") else 0
            if octet == ord("\r") and self._line and len(self._line) > wanted:
                reply = self._whole(bytes(self._line), t_us)
                self._line.clear()
                answer += reply.answer
                transmit += reply.transmit
            elif self._line or chr(octet) in "OYCLSsaAvVtTrRNZDmMF":
                self._line.append(octet)
        return Reply(answer, tuple(transmit))

    def _whole(self, line: bytes, t_us: int) -> Reply:
        if line[:1] in (b"t", b"T", b"r", b"R"):
            said, frame = self._transmit(line, t_us)
            return Reply(said, () if frame is None else (frame,))
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


class Nakakiyo(SlcanDialogue):
    """Nakakiyo's firmware for CANable 2 and USB2CANFD: Lawicel's commands and those of CAN FD."""

    version = b"VL2K0 01f0e4a github.com/Nakakiyo092/canable2-fw.git\r"
    custom_bitrate = re.compile(r"s[0-9A-F]{8}")

    def _obeys(self, name: str, argument: str) -> bool:
        if name == "Y" and argument in tuple("012458") and not self.is_open:
            self.data_bitrate_code = argument
            return True
        return super()._obeys(name, argument)


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
