"""OBD-II over CAN (ISO 15765-4, service 01): what the questions and the answers are.

    request   [length:1 = 2] [service:1 = 01] [pid:1] [padding:5]                    to 7DF, 18DB33F1
    answer    [length:1]     [service:1 = 41] [pid:1] [value:length - 2] [padding]   from 7E8..7EF, 18DAF1xx

Single frames only: a value of service 01 fits in one, so whatever comes in several (a first frame, 10 xx) was
asked by somebody else. The constructs are the reference and the encoder; `read_answer` is the same layout by
hand, because every answer of the bus passes through it, and a property test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from construct import Byte, Bytes, Const, ExprValidator, GreedyBytes, Padding, Struct, this

from firmware_bridge.records import EFF_FLAG, Channel

REQUEST = Struct("length" / Const(2, Byte), "service" / Const(1, Byte), "pid" / Byte, Padding(5))
ANSWER = Struct(
    "length" / ExprValidator(Byte, lambda length, _: 3 <= length <= 7),
    "service" / Const(0x41, Byte),
    "pid" / Byte,
    "value" / Bytes(this.length - 2),
    "padding" / GreedyBytes,
)

STANDARD_REQUEST_ID = 0x7DF
EXTENDED_REQUEST_ID = 0x18DB33F1 | EFF_FLAG
STANDARD_ANSWER_IDS = frozenset(range(0x7E8, 0x7F0))
EXTENDED_ANSWER_IDS = frozenset(number | EFF_FLAG for number in range(0x18DAF100, 0x18DAF200))
ANSWER_IDS = STANDARD_ANSWER_IDS | EXTENDED_ANSWER_IDS

SUPPORT_PIDS = (0x00, 0x20, 0x40, 0x60)
"""Each answers with four bytes: one bit for each of the 32 PIDs after it, the highest bit first."""


class Pid(NamedTuple):
    """One value of service 01: `scaled` turns its bytes, read as one big-endian number, into the unit."""

    number: int
    size: int
    channel: Channel
    period_s: float
    scaled: Callable[[int], float]


def _percent(raw: int) -> float:
    return raw / 2.55


def _celsius(raw: int) -> float:
    return raw - 40.0


# Formulas of SAE J1979. Periods are ours: what changes while one looks is asked often, heat slowly.
_TABLE = (
    Pid(0x04, 1, Channel("load_pct", "%", "obd2"), 0.5, _percent),
    Pid(0x05, 1, Channel("coolant_c", "°C", "obd2"), 5.0, _celsius),
    Pid(0x0B, 1, Channel("map_kpa", "kPa", "obd2"), 0.5, float),
    Pid(0x0C, 2, Channel("rpm", "1/min", "obd2"), 0.1, lambda raw: raw / 4),
    Pid(0x0D, 1, Channel("speed_kmh", "km/h", "obd2"), 0.2, float),
    Pid(0x0F, 1, Channel("intake_c", "°C", "obd2"), 5.0, _celsius),
    Pid(0x10, 2, Channel("maf_gps", "g/s", "obd2"), 0.5, lambda raw: raw / 100),
    Pid(0x11, 1, Channel("throttle_pct", "%", "obd2"), 0.5, _percent),
    Pid(0x2F, 1, Channel("fuel_pct", "%", "obd2"), 30.0, _percent),
    Pid(0x42, 2, Channel("battery_v", "V", "obd2"), 1.0, lambda raw: raw / 1000),
    Pid(0x46, 1, Channel("ambient_c", "°C", "obd2"), 30.0, _celsius),
    Pid(0x5C, 1, Channel("oil_c", "°C", "obd2"), 5.0, _celsius),
)
PIDS = {pid.number: pid for pid in _TABLE}


class Answer(NamedTuple):
    """A positive answer: the PID and its value's bytes."""

    pid: int
    value: bytes


def read_answer(data: bytes) -> Answer | None:
    """The answer in a frame's data, or None where it holds none: negative, in several frames, cut short."""
    if len(data) < 4 or data[1] != 0x41 or not 3 <= data[0] <= 7 or len(data) <= data[0]:
        return None
    return Answer(data[2], data[3 : data[0] + 1])


def request(pid: int) -> bytes:
    """The data of the frame that asks for a PID. Raises construct's error where it is no byte."""
    encoded: bytes = REQUEST.build({"pid": pid})
    return encoded


def answer(pid: int, value: bytes) -> bytes:
    """The data of the frame in which an engine answers, padded to 8 bytes as ISO 15765-4 asks."""
    encoded: bytes = ANSWER.build({"length": 2 + len(value), "pid": pid, "value": value, "padding": b""})
    return encoded.ljust(8, b"\x00")


def supported(base: int, value: bytes) -> frozenset[int]:
    """The PIDs that a support answer of `base` claims."""
    bits = int.from_bytes(value, "big")
    return frozenset(base + offset for offset in range(1, 33) if bits >> (32 - offset) & 1)
