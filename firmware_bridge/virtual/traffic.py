"""CAN traffic of the virtual engine bus: engine messages packed by a DBC, and filler frames.

Signals of the DBC that are named as in EngineStates have the engine's values; other signals are 0. Packing
follows the DBC (both byte orders, sign, scale) for a whole array of instants, and a test compares it with cantools.
Frames of other units, standard and extended and of several lengths, fill the bus to the requested rate.
"""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

import numpy as np
from cantools.database.can import Database, Message, Signal
from numpy.typing import NDArray

from firmware_bridge.errors import ConfigurationError
from firmware_bridge.records import EFF_FLAG, CanFrame
from firmware_bridge.virtual.drive import Floats
from firmware_bridge.virtual.engine import Engine, EngineStates
from firmware_bridge.virtual.rows import Bytes, Ints

BROADCAST_HZ = 20
"""Rate of each message of the DBC, or less if the bus's rate leaves no room."""
# Other units of a car: body, brakes, gearbox, and a J1939 gateway, with the lengths they use.
_FILLERS = (
    *((0x181 + 13 * i, 8) for i in range(14)),
    (0x2A0, 4),
    (0x3D5, 6),
    (0x4F1, 2),
    (0x18FEF1_00 | EFF_FLAG, 8),
    (0x18F004_0B | EFF_FLAG, 8),
    (0x0CFE6C_EE | EFF_FLAG, 3),
)
_SCATTER = np.uint64(0x9E37_79B9_7F4A_7C15)
"""Multiplying a counter by this makes bytes that look like data (Knuth's golden-ratio hash)."""


DEMO_DBC = files(__package__).joinpath("demo_engine.dbc").read_text(encoding="utf-8")
"""The DBC text of the virtual car's own engine bus."""


class Frames(NamedTuple):
    """Many frames as arrays: times (s of the drive), identifiers with EFF flag, lengths, and 8 octets each.

    Octets beyond a frame's length are zero.
    """

    t_s: Floats
    can_id: Ints
    length: Ints
    data: Bytes

    def records(self, bus: int = 0) -> list[CanFrame]:
        """Return the frames as records, in microseconds of the drive."""
        t_us = np.round(self.t_s * 1e6).astype(np.int64).tolist()
        octets = self.data.tobytes()
        return [
            CanFrame(t, bus, can_id, octets[8 * i : 8 * i + length])
            for i, (t, can_id, length) in enumerate(
                zip(t_us, self.can_id.tolist(), self.length.tolist(), strict=True)
            )
        ]


class Traffic:
    """Traffic of `rate` frames per second: the messages of `engine` after `dbc_text`, among others."""

    def __init__(self, engine: Engine, dbc_text: str = DEMO_DBC, rate: float = 100.0) -> None:
        if rate <= 0:
            raise ConfigurationError(f"a bus with {rate} frames per second", hint="more than 0")
        database = Database()
        database.add_dbc_string(dbc_text)
        self._engine, self._rate = engine, rate
        self._messages = [message for message in database.messages if message.length <= 8]
        ours = {message.frame_id for message in self._messages}
        fillers = [filler for filler in _FILLERS if filler[0] & ~EFF_FLAG not in ours]
        cycle = max(2 * len(self._messages), int(rate // BROADCAST_HZ), 1)
        self._slot_message = np.full(cycle, -1)
        for i in range(len(self._messages)):
            self._slot_message[i * cycle // len(self._messages)] = i
        self._filler_id = np.array([can_id for can_id, _ in fillers])
        self._filler_length = np.array([length for _, length in fillers])

    def between(self, t0_s: float, t1_s: float) -> Frames:
        """Return the frames of t0_s <= t < t1_s; frame k of the drive is sent at k / rate."""
        # One more on each side, because products round; then select by each frame's own time.
        number = np.arange(int(t0_s * self._rate) - 1, int(t1_s * self._rate) + 2)
        number = number[(number / self._rate >= t0_s) & (number / self._rate < t1_s)]
        t_s = number / self._rate
        kind = self._slot_message[number % len(self._slot_message)]
        filler = number % len(self._filler_id)
        can_id, length = self._filler_id[filler], self._filler_length[filler]
        data = (number.astype(np.uint64) * _SCATTER).view(np.uint8).reshape(-1, 8)
        if np.any(kind >= 0):
            sent = np.flatnonzero(kind >= 0)
            states = self._engine.sample(t_s[sent])
            for i, message in enumerate(self._messages):
                at = np.flatnonzero(kind[sent] == i)
                data[sent[at]] = packed(message, EngineStates(*(column[at] for column in states)))
                can_id[sent[at]] = message.frame_id | (EFF_FLAG if message.is_extended_frame else 0)
                length[sent[at]] = message.length
        data *= np.arange(8) < length[:, None]
        return Frames(t_s, can_id, length, data)


def packed(message: Message, states: EngineStates) -> Bytes:
    """Return the 8 data octets of a message at each instant."""
    count = len(states.rpm)
    intel, motorola = np.zeros(count, np.uint64), np.zeros(count, np.uint64)
    for signal in message.signals:
        values = getattr(states, signal.name, None)
        if values is None:
            continue
        raw = _raw(signal, values)
        if signal.byte_order == "little_endian":
            intel |= raw << np.uint64(signal.start)
        else:
            # A DBC counts a big-endian signal from its highest bit, bits from the right in each octet.
            highest = signal.start // 8 * 8 + 7 - signal.start % 8
            motorola |= raw << np.uint64(64 - highest - signal.length)
    return _octets(intel, "<u8") | _octets(motorola, ">u8")


def _octets(words: NDArray[np.uint64], order: str) -> Bytes:
    return words.astype(order).view(np.uint8).reshape(-1, 8)


def _raw(signal: Signal, values: Floats) -> NDArray[np.uint64]:
    """Return raw values in two's complement, scaled and clipped to the signal's range."""
    low = -(1 << signal.length - 1) if signal.is_signed else 0
    scaled = np.round((values - signal.offset) / signal.scale)
    clipped = np.clip(scaled, low, low + (1 << signal.length) - 1).astype(np.int64)
    return (clipped & ((1 << signal.length) - 1)).astype(np.uint64)
