"""Bit timing for bit rates that have no S code: the segments of a bit, and how each controller is told them.

    bit = 1 (sync) + seg1 + seg2 quanta,   quantum = prescaler / clock of the controller

Every spelling is that of the firmware that takes it; the clocks are those of the boards it runs on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

SAMPLE_POINT = 0.8
"""Where in the bit it is read: what SAE J2284 and CiA ask for is 75 to 87.5 %."""
MOST_ERROR = 0.002
"""Deviation from the asked bit rate that still counts as the same: people write 33300 for 33333. CAN tolerates 0.5 %
between two nodes."""


class Timing(NamedTuple):
    """One bit: prescaler, segments and jump width as counts, not as register values."""

    prescaler: int
    seg1: int
    seg2: int
    jump: int


class Controller(NamedTuple):
    """What a CAN controller can be set to: its clock (Hz) and the largest counts."""

    clock_hz: float
    prescaler: int
    seg1: int
    seg2: int
    jump: int
    most_quanta: int = 25


SJA1000 = Controller(8e6, 64, 16, 8, 4)
"""Lawicel CANUSB and CAN232: a 16 MHz crystal, halved."""
MCP2515 = Controller(12e6, 64, 16, 8, 4)
"""USBtin: a 24 MHz crystal, halved. Propagation and phase segment 1 together are seg1."""
WEACT = Controller(60e6, 255, 255, 128, 128, 256)
"""STM32G0B1 at 60 MHz (USB2CANFDV1)."""


def same_rate(asked: float, rate: float) -> bool:
    """Whether two bit rates mean the same."""
    return abs(asked - rate) <= MOST_ERROR * rate


def solve(controller: Controller, bitrate: int) -> Timing | None:
    """The timing with the sample point nearest to 80 %, None where the controller has no such bit rate."""
    best: tuple[float, int, Timing] | None = None
    for prescaler in range(1, controller.prescaler + 1):
        quanta = round(controller.clock_hz / prescaler / bitrate)
        if not 8 <= quanta <= controller.most_quanta:
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
    """sXXYY: the SJA1000's registers BTR0 and BTR1."""
    btr0 = timing.jump - 1 << 6 | timing.prescaler - 1
    btr1 = timing.seg2 - 1 << 4 | timing.seg1 - 1
    return b"s%02X%02X\r" % (btr0, btr1)


def usbtin(timing: Timing) -> bytes:
    """sXXYYZZ: the MCP2515's registers CNF1, CNF2 (phase segment 2 by CNF3) and CNF3."""
    phase1 = min(8, timing.seg1 - 1)
    cnf1 = timing.jump - 1 << 6 | timing.prescaler - 1
    cnf2 = 0x80 | phase1 - 1 << 3 | timing.seg1 - phase1 - 1
    return b"s%02X%02X%02X\r" % (cnf1, cnf2, timing.seg2 - 1)


def weact(timing: Timing) -> bytes:
    """SDDXXYY: prescaler and segments as they are, in hexadecimal."""
    return b"S%02X%02X%02X\r" % timing[:3]


def elmue(timing: Timing) -> bytes:
    """sD,D,D,D: prescaler, segments and jump width in decimal."""
    return b"s%d,%d,%d,%d\r" % timing


def described_controller(version: bytes) -> Controller | None:
    """The controller as CANable 2.5 describes it in its version line: clock in MHz, largest counts."""
    found = re.search(rb"Clock: (\d+)\b.*Limits: (\d+),(\d+),(\d+),(\d+)", version)
    if found is None:
        return None
    clock_mhz, prescaler, seg1, seg2, jump = map(int, found.groups())
    if not all((clock_mhz, prescaler, seg1, seg2, jump)):
        return None  # the ESP32 port has no such command and says so with zeros
    return Controller(clock_mhz * 1e6, min(prescaler, 1024), seg1, seg2, jump, 1 + seg1 + seg2)


Spelling = tuple[Controller, Callable[[Timing], bytes]]
"""A controller and the command that sets it."""
