"""Simulated SLCAN firmwares of CANable boards and derivatives, one class per family."""

from __future__ import annotations

import re
from typing import ClassVar

from firmware_bridge.records import CanFrame
from firmware_bridge.virtual.slcan_device import SlcanDialogue


class Stock(SlcanDialogue):
    """CANable's and CANable 2's original firmware: acknowledges no command, and opens in normal mode despite M1."""

    version = b"b158aa7 github.com/normaldotcom/canable2-fw.git\r"
    sent: ClassVar[tuple[bytes, bytes]] = (b"", b"")
    fixed_answers: ClassVar[dict[str, bytes]] = {}

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
    """The original firmware of the first CANable: as the second's, without CAN FD."""

    version = b"4c6e4ac https://github.com/normaldotcom/canable-fw.git\r"

    def _obeys(self, name: str, argument: str) -> bool:
        return name != "Y" and argument != "9" and super()._obeys(name, argument)


class Mute(Stock):
    """Home-made firmware without answers, with a listen-only mode."""

    version = b""

    def _obeys(self, name: str, argument: str) -> bool:
        return SlcanDialogue._obeys(self, name, argument)


class MuteNormal(Stock):
    """Home-made firmware without answers and without a listen-only mode."""

    version = b""


class WeAct(SlcanDialogue):
    """WeAct's firmware for USB2CANFD: M1 stays set until M0, L is unknown."""

    version = b"WeAct Studio V1.0.0.0_20240110\r"
    fixed_answers: ClassVar[dict[str, bytes]] = {}
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
    """CANable 2.5: answers with # after MF, L reports the bus load, C resets everything."""

    version = (
        b"+Board: Multiboard\tMCU: STM32G431\tDevID: 1128\tFirmware: 2427156\tSlcan: 101\tClock: 160\tChannels: 1"
        b"\tQuartz: No\tLimits: 512,256,128,128,32,32,16,16\tHAL: 1.2.3\r"
    )
    fixed_answers: ClassVar[dict[str, bytes]] = {}
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
        answer = super()._command(line)
        return b"" if line == "C" else answer

    def _result(self, *, accepted: bool) -> bytes:
        return (b"#\r" if accepted else b"#2\r") if self._answers else b""

    def _transmit(self, line: bytes, t_us: int) -> tuple[bytes, CanFrame | None]:
        answer, frame = super()._transmit(line, t_us)
        return (self._result(accepted=True) if frame else answer), frame

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
    fixed_answers: ClassVar[dict[str, bytes]] = {"F": b"F00\r", "N": b"N1234\r"}
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


class Nakakiyo(SlcanDialogue):
    """Nakakiyo's firmware for CANable 2 and USB2CANFD: Lawicel's commands and those of CAN FD."""

    version = b"VL2K0 01f0e4a github.com/Nakakiyo092/canable2-fw.git\r"
    custom_bitrate = re.compile(r"s[0-9A-F]{8}")

    def _obeys(self, name: str, argument: str) -> bool:
        if name == "Y" and argument in tuple("012458") and not self.is_open:
            self.data_bitrate_code = argument
            return True
        return super()._obeys(name, argument)
