"""The engine computer's OBD-II side: a question on the bus in, its answer out.

Written from SAE J1979's table of service 01, not from the recorder's own decoder, so that the one checks the
other. Only single frames; questions to all computers (7DF, 18DB33F1) and to this one (7E0) are answered.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from firmware_bridge.records import EFF_FLAG, RTR_FLAG, CanFrame
from firmware_bridge.virtual.engine import Engine, EngineStates

ANSWERS_TO = {0x7DF: 0x7E8, 0x7E0: 0x7E8, 0x18DB33F1 | EFF_FLAG: 0x18DAF110 | EFF_FLAG}
ANSWER_DELAY_US = 8_000
"""Engine computers answer within 5 to 25 ms."""

_INTAKE_OVER_AMBIENT_C = 9.0


def _one(value: float) -> bytes:
    return bytes((int(min(255, max(0, round(value)))),))


def _two(value: float) -> bytes:
    return int(min(65_535, max(0, round(value)))).to_bytes(2, "big")


class _Now(EngineStates):
    """The state at one instant: arrays of one element, read as numbers."""

    def of(self, name: str) -> float:
        return float(getattr(self, name)[0])


VALUES: dict[int, Callable[[_Now], bytes]] = {
    0x04: lambda now: _one(now.of("load_pct") * 2.55),
    0x05: lambda now: _one(now.of("coolant_c") + 40),
    0x0B: lambda now: _one(30 + 0.7 * now.of("load_pct")),
    0x0C: lambda now: _two(now.of("rpm") * 4),
    0x0D: lambda now: _one(now.of("speed_kmh")),
    0x0F: lambda now: _one(now.of("ambient_c") + _INTAKE_OVER_AMBIENT_C + 40),
    0x10: lambda now: _two(now.of("rpm") * now.of("load_pct") / 2500 * 100),
    0x11: lambda now: _one(now.of("throttle_pct") * 2.55),
    0x2F: lambda now: _one(now.of("fuel_pct") * 2.55),
    0x42: lambda now: _two(now.of("battery_v") * 1000),
    0x46: lambda now: _one(now.of("ambient_c") + 40),
    0x5C: lambda now: _one(now.of("oil_c") + 40),
}
"""What each PID of service 01 answers."""


class EngineComputer:
    """Answers for an engine. Only what it supports: another PID gets no answer, as on a real bus."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answer(self, frame: CanFrame, t_s: float) -> CanFrame | None:
        """The answer to a frame on the bus at `t_s`, sent a while later; None if it asks nothing we know."""
        answer_id = ANSWERS_TO.get(frame.can_id & ~RTR_FLAG)
        if answer_id is None or len(frame.data) < 3 or frame.data[:2] != b"\x02\x01":
            return None
        pid = frame.data[2]
        if pid % 0x20 == 0:
            value = _supported(pid)
        elif pid in VALUES:
            value = VALUES[pid](_Now(*self._engine.sample(np.array([t_s]))))
        else:
            return None
        data = bytes((2 + len(value), 0x41, pid)) + value
        t_us = round(t_s * 1e6) + ANSWER_DELAY_US
        return CanFrame(t_us, 0, answer_id, data.ljust(8, b"\xaa")) if value else None


def _supported(base: int) -> bytes:
    """Four bytes, a bit for each of the 32 PIDs after `base`; nothing where nothing further is supported."""
    if not any(pid > base for pid in VALUES):
        return b""
    bits = sum(1 << 32 - (pid - base) for pid in VALUES if base < pid <= base + 32)
    has_more = any(pid > base + 32 for pid in VALUES)
    return (bits | has_more).to_bytes(4, "big")
