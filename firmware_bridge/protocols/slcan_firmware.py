"""Table of SLCAN firmwares: how to recognise each, and how to open it listen-only.

    firmware (answer to V)               L            listens with   remarks
    Lawicel CANUSB (V1013), USBtin       CR           L
    ESP32RET (V1013 LF)                  CR           L              O after L opens normal
    WiCAN (V2011)                        CR           L              M eats 8 bytes, Y opens normal (loop-back)
    Nakakiyo (VL2K0 ...), WeAct with it  CR           L
    WeAct stock (WeAct Studio V...)      BEL          M1, O          each answered with CR
    CANable 2.5 (+Board: ...)            # and digit  OS             answers # after MF; nothing before
    its port to ESP32-S3 (+Board: ESP32) # and digit  OS             a plain O opens normal whatever M1 said
    CANable, CANable 2 stock (git hash)  nothing      cannot         O opens normal whatever M1 said
    mintynet, slcanuino (V1234)          BEL          cannot         M is answered with CR and does nothing
    unknown                              CR: L        cannot

The facts are from the firmwares' sources. Neither an answer to M nor silence proves anything, so an adapter that does
not confirm `L` is opened with other commands only if its firmware is known to listen then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from firmware_bridge.protocols.slcan_timing import (
    MCP2515,
    SJA1000,
    WEACT,
    TimingCommand,
    described_controller,
    elmue,
    lawicel,
    same_rate,
    usbtin,
    weact,
)

LAWICEL_CODES = {
    10_000: b"0",
    20_000: b"1",
    50_000: b"2",
    100_000: b"3",
    125_000: b"4",
    250_000: b"5",
    500_000: b"6",
    800_000: b"7",
    1_000_000: b"8",
}
"""S codes. S7 is 800 kbit/s for Lawicel, Linux, USBtin, ESP32RET, WiCAN, WeAct and CANable 2.5; only for stock
CANables, and for python-can, it is 750 kbit/s."""
STOCK_CODES = {rate: code for rate, code in LAWICEL_CODES.items() if code != b"7"} | {750_000: b"7"}
DATA_CODES = {1_000_000: b"1", 2_000_000: b"2", 4_000_000: b"4", 5_000_000: b"5"}
"""Y codes of every firmware with CAN FD."""
MORE_DATA_CODES = {500_000: b"0", **DATA_CODES, 8_000_000: b"8"}
"""Y codes of CANable 2.5 and Nakakiyo."""


VERSION_S = 0.45
"""Wait for the version: allows for a slow UART, an adapter that is closing its bus, and Wi-Fi."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """One firmware. `listening`: commands that open it listen-only if `L` does not; empty if it cannot listen only."""

    name: str
    listening: tuple[bytes, ...] = ()
    normal: tuple[bytes, ...] = (b"O\r",)
    codes: Mapping[int, bytes] = field(default_factory=lambda: LAWICEL_CODES)
    timing_commands: tuple[TimingCommand, ...] = ()
    """Commands for a bit rate without a code, tried in order until one is accepted."""
    data_codes: Mapping[int, bytes] = field(default_factory=dict)
    answering: tuple[bytes, ...] = ()
    """Commands that switch its answers on."""
    version_s: float = VERSION_S
    """Wait for its version."""

    def code(self, bitrate: int) -> bytes | None:
        """The S code of a bit rate; None without one."""
        return next((code for rate, code in self.codes.items() if same_rate(bitrate, rate)), None)


_STOCK_CANABLE = Firmware("a stock CANable", normal=(b"M0\r", b"O\r"), codes=STOCK_CODES)
_FIRMWARES: tuple[tuple[re.Pattern[bytes], Firmware], ...] = (
    (
        re.compile(rb"\+Board: ESP32.*"),
        Firmware("CANable 2.5 on an ESP32", (b"OS\r",), codes=LAWICEL_CODES | {83_333: b"9"}),
    ),
    (
        re.compile(rb"\+Board: .*"),
        Firmware("CANable 2.5", (b"OS\r",), data_codes=MORE_DATA_CODES, answering=(b"MF\r",)),
    ),
    (
        re.compile(rb"WeAct Studio V.*"),
        Firmware(
            "WeAct USB2CANFD",
            (b"M1\r", b"O\r"),
            (b"M0\r", b"O\r"),
            LAWICEL_CODES | {5_000: b"D", 33_333: b"C", 62_500: b"B", 75_000: b"A", 83_333: b"9"},
            ((WEACT, weact),),
            {**DATA_CODES, 3_000_000: b"3"},
        ),
    ),
    (re.compile(rb"V[0-9A-Z]{4,5} .*"), Firmware("Nakakiyo's firmware", data_codes=MORE_DATA_CODES)),
    (
        re.compile(rb"\S+ \S*canable2\S*"),
        replace(
            _STOCK_CANABLE,
            name="a stock CANable 2",
            codes=STOCK_CODES | {83_333: b"9"},
            data_codes=DATA_CODES,
        ),
    ),
    (re.compile(rb"\S*[0-9a-f]{7}\S* .*|\S+ \S*(git|canable)\S*"), _STOCK_CANABLE),
    (re.compile(rb"V2011"), Firmware("a WiCAN")),
    (re.compile(rb"V1234"), Firmware("this adapter (V1234)")),
    (
        re.compile(rb"V[0-9A-Za-z]{4}"),
        Firmware("this adapter", timing_commands=((SJA1000, lawicel), (MCP2515, usbtin))),
    ),
)
UNKNOWN = Firmware("this adapter", normal=(b"M00000000\r", b"O\r"))
"""An adapter that does not answer V. Most take the long M as acceptance code 0, which receives everything; CANables
take it as mode 0, normal. After a short M, a WiCAN would swallow the O that follows."""
_ESP32RET = Firmware("an ESP32RET")


def identify(lines: list[bytes], answer: bytes) -> Firmware | None:
    """The firmware whose version is among the `lines` of an `answer` to V; None without one."""
    for line in lines:
        for pattern, firmware in _FIRMWARES:
            if pattern.fullmatch(line):
                if b"V1013\n" in answer:
                    return _ESP32RET  # it accepts any custom bit rate and sets none
                controller = described_controller(line)
                return replace(firmware, timing_commands=((controller, elmue),)) if controller else firmware
    return None
