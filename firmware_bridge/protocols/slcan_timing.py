"""CAN bit timing for rates without an S code: compute the segments, format each firmware's command.

    bit = 1 (sync) + seg1 + seg2 quanta,   quantum = prescaler / clock of the controller

Command formats are from the firmwares, clocks from the boards they run on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

SAMPLE_POINT = 0.8
"""Sample point as a fraction of the bit; SAE J2284 and CiA recommend 75 to 87.5 %."""
MAX_RATE_ERROR = 0.002
"""Largest deviation between equal bit rates: people write 33300 for 33333. CAN tolerates 0.5 % between two nodes."""


class Timing(NamedTuple):
    """One bit: prescaler, segments and jump width as counts, not as register values."""

    prescaler: int
    seg1: int
    seg2: int
    jump: int


class Controller(NamedTuple):
    """A CAN controller's clock (Hz) and largest counts."""

    clock_hz: float
    prescaler: int
    seg1: int
    seg2: int
    jump: int
    max_quanta: int = 25


SJA1000 = Controller(8e6, 64, 16, 8, 4)
"""Lawicel CANUSB and CAN232: 16 MHz crystal, halved."""
MCP2515 = Controller(12e6, 64, 16, 8, 4)
"""USBtin: 24 MHz crystal, halved. seg1 is the sum of the propagation segment and phase segment 1."""
WEACT = Controller(60e6, 255, 255, 128, 128, 256)
"""STM32G0B1 at 60 MHz (USB2CANFDV1)."""


def same_rate(bitrate: float, rate: float) -> bool:
    """Whether two bit rates are equal within MAX_RATE_ERROR."""
    return abs(bitrate - rate) <= MAX_RATE_ERROR * rate


def solve(controller: Controller, bitrate: int) -> Timing | None:
    """The timing with the sample point nearest to 80 %; None if the controller does not support the bit rate."""
    best: tuple[float, int, Timing] | None = None
    for prescaler in range(1, controller.prescaler + 1):
        quanta = round(controller.clock_hz / prescaler / bitrate)
        if not 8 <= quanta <= controller.max_quanta:
            continue
        if not same_rate(bitrate, controller.clock_hz / prescaler / quanta):
            continue
        seg1 = min(controller.seg1, max(1, round(SAMPLE_POINT * quanta) - 1))
        seg2 = quanta - 1 - seg1
        if not 2 <= seg2 <= controller.seg2:
            continue
        timing = Timing(prescaler, seg1, seg2, min(controller.jump, max(1, seg2 - 1)))
        badness = (abs((1 + seg1) / quanta - SAMPLE_POINT), prescaler)
        if best is None or badness < best[:2]:
            best = (*badness, timing)
    return best[2] if best else None


def lawicel(timing: Timing) -> bytes:
    """The command sXXYY: the SJA1000's registers BTR0 and BTR1."""
    btr0 = timing.jump - 1 << 6 | timing.prescaler - 1
    btr1 = timing.seg2 - 1 << 4 | timing.seg1 - 1
    return b"s%02X%02X\r" % (btr0, btr1)


def usbtin(timing: Timing) -> bytes:
    """The command sXXYYZZ: the MCP2515's registers CNF1, CNF2 (phase segment 2 set by CNF3) and CNF3."""
    phase1 = min(8, timing.seg1 - 1)
    cnf1 = timing.jump - 1 << 6 | timing.prescaler - 1
    cnf2 = 0x80 | phase1 - 1 << 3 | timing.seg1 - phase1 - 1
    return b"s%02X%02X%02X\r" % (cnf1, cnf2, timing.seg2 - 1)


def weact(timing: Timing) -> bytes:
    """The command SDDXXYY: prescaler and segments in hexadecimal."""
    return b"S%02X%02X%02X\r" % timing[:3]


def elmue(timing: Timing) -> bytes:
    """The command sD,D,D,D: prescaler, segments and jump width in decimal."""
    return b"s%d,%d,%d,%d\r" % timing


def described_controller(version: bytes) -> Controller | None:
    """The controller from the version line of CANable 2.5: clock in MHz, largest counts."""
    match = re.search(rb"Clock: (\d+)\b.*Limits: (\d+),(\d+),(\d+),(\d+)", version)
    if match is None:
        return None
    clock_mhz, prescaler, seg1, seg2, jump = map(int, match.groups())
    if not all((clock_mhz, prescaler, seg1, seg2, jump)):
        return None  # the ESP32 port has no such command and reports zeros
    return Controller(clock_mhz * 1e6, min(prescaler, 1024), seg1, seg2, jump, 1 + seg1 + seg2)


TimingCommand = tuple[Controller, Callable[[Timing], bytes]]
"""A controller and the function that formats its command."""
