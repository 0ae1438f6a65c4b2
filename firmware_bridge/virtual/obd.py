"""OBD-II responder of the engine computer: request frames in, answer frames out.

Written from SAE J1979's table of service 01 and from ISO 15765-2, independently of the recorder's decoder, so that
each checks the other. Requests to all computers (7DF, 18DB33F1) and to this one are answered, for one to six PIDs;
the consecutive frames of a long answer follow the requester's flow control.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from firmware_bridge.records import EFF_FLAG, RTR_FLAG, CanFrame
from firmware_bridge.virtual.engine import Engine, EngineStates

ANSWERS_TO = {
    0x7DF: 0x7E8,
    0x7E0: 0x7E8,
    0x18DB33F1 | EFF_FLAG: 0x18DAF110 | EFF_FLAG,
    0x18DA10F1 | EFF_FLAG: 0x18DAF110 | EFF_FLAG,
}
ANSWER_DELAY_US = 8_000
"""Engine computers answer within 5 to 25 ms."""
FLOW_CONTROL_US = 1_000_000
"""How long the computer waits for flow control (ISO 15765-2, N_Bs)."""
FRAME_GAP_US = 500
"""Between the frames of one answer."""

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
"""Encoders of the supported PIDs of service 01."""


class EngineComputer:
    """OBD-II answers of one engine. Unsupported PIDs get no answer, as on a real bus.

    `max_pids`: how many PIDs of one request it answers; computers older than the standard answer only the first.
    """

    def __init__(self, engine: Engine, max_pids: int = 6) -> None:
        self._engine = engine
        self._max_pids = max_pids
        self._held: list[bytes] = []  # consecutive frames that wait for flow control, until:
        self._held_until_us = 0

    def answer(self, frame: CanFrame, t_s: float) -> list[CanFrame]:
        """Return the answer frames to a frame at `t_s`, each with its time; none if it is not a known request."""
        answer_id = ANSWERS_TO.get(frame.can_id & ~RTR_FLAG)
        data, t_us = frame.data, round(t_s * 1e6)
        if answer_id is None or not data:
            return []
        if data[0] == 0x30 and t_us < self._held_until_us:
            held, self._held = self._held, []
            return _on_the_bus(held, answer_id, t_us)
        pids = data[2 : data[0] + 1] if 2 <= data[0] <= 7 and len(data) > data[0] else b""
        if not pids or data[1] != 0x01:
            return []
        values = [(pid, value) for pid in pids[: self._max_pids] if (value := self._value(pid, t_s))]
        if not values:
            return []
        payload = b"\x41" + b"".join(bytes((pid,)) + value for pid, value in values)
        if len(payload) <= 7:
            first, self._held = bytes((len(payload),)) + payload, []
        else:
            first = (0x1000 | len(payload)).to_bytes(2, "big") + payload[:6]
            pieces = [payload[at : at + 7] for at in range(6, len(payload), 7)]
            self._held = [bytes((0x20 | number % 16,)) + piece for number, piece in enumerate(pieces, 1)]
            self._held_until_us = t_us + FLOW_CONTROL_US
        return _on_the_bus([first], answer_id, t_us + ANSWER_DELAY_US)

    def _value(self, pid: int, t_s: float) -> bytes:
        if pid % 0x20 == 0:
            return _supported(pid)
        return VALUES[pid](_Now(*self._engine.sample(np.array([t_s])))) if pid in VALUES else b""


def _on_the_bus(datas: list[bytes], answer_id: int, t_us: int) -> list[CanFrame]:
    return [
        CanFrame(t_us + FRAME_GAP_US * number, 0, answer_id, data.ljust(8, b"\xaa"))
        for number, data in enumerate(datas)
    ]


def _supported(base: int) -> bytes:
    """Return four bytes, one bit per PID of the 32 after `base`; empty if no later PID is supported."""
    if not any(pid > base for pid in VALUES):
        return b""
    bits = sum(1 << 32 - (pid - base) for pid in VALUES if base < pid <= base + 32)
    has_more = any(pid > base + 32 for pid in VALUES)
    return (bits | has_more).to_bytes(4, "big")
