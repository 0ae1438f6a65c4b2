"""OBD-II over CAN (ISO 15765-4, service 01): build requests, parse answers, table of PIDs.

    request   [service:1 = 01] [pid:1] x 1..6                    to 7DF, 18DB33F1
    answer    [service:1 = 41] ([pid:1] [value: by its PID]) x n from 7E8..7EF, 18DAF1xx
    refusal   [service:1 = 7F] [service:1] [reason:1]             from the same

These are ISO-TP payloads (isotp.py): a request is always one frame, an answer of more than seven bytes takes several.
An answer does not contain the lengths of its values, so the position of the next PID comes from the table of all
PIDs; nothing after a PID of unknown length can be read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from firmware_bridge.engine import isotp
from firmware_bridge.records import EFF_FLAG, Channel

SERVICE = 0x01
POSITIVE = 0x40 + SERVICE
NEGATIVE = 0x7F
PENDING = 0x78
"""Reason "response pending": the answer follows within five seconds."""
MAX_PIDS = 6
"""Most PIDs in one request, which is a single frame."""

STANDARD_REQUEST_ID = 0x7DF
EXTENDED_REQUEST_ID = 0x18DB33F1 | EFF_FLAG
STANDARD_ANSWER_IDS = frozenset(range(0x7E8, 0x7F0))
EXTENDED_ANSWER_IDS = frozenset(number | EFF_FLAG for number in range(0x18DAF100, 0x18DAF200))
ANSWER_IDS = STANDARD_ANSWER_IDS | EXTENDED_ANSWER_IDS

SUPPORT_PIDS = (0x00, 0x20, 0x40, 0x60, 0x80)
"""Each answers with four bytes: one bit for each of the 32 PIDs after it, the highest bit first."""


class Pid(NamedTuple):
    """One value of service 01. `scaled` converts its bytes, read as one big-endian number, to the channel's unit."""

    number: int
    size: int
    channel: Channel
    period_s: float
    scaled: Callable[[int], float]


def _percent(raw: int) -> float:
    return raw / 2.55


def _celsius(raw: int) -> float:
    return raw - 40.0


# Formulas of SAE J1979. The periods are chosen here: short for values that change fast, long for temperatures.
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

# SAE J1979-DA, service 01. Omitted: 68, 6D, 70, 71, 83, 8C, whose lengths differ between editions.
_PIDS_BY_SIZE: dict[int, tuple[int | range, ...]] = {
    1: (
        *(0x04, 0x05, range(0x0A, 0x0C), range(0x0D, 0x10), range(0x11, 0x14), range(0x1C, 0x1F)),
        *(range(0x2C, 0x31), 0x33, range(0x45, 0x4D), range(0x51, 0x53), range(0x5A, 0x5D), 0x5F),
        *(range(0x61, 0x63), range(0x7D, 0x7F), 0x84, range(0x8D, 0x8F)),
    ),
    2: (
        *(range(0x02, 0x04), 0x0C, 0x10, range(0x14, 0x1C), 0x1F, range(0x21, 0x24), range(0x31, 0x33)),
        *(range(0x3C, 0x40), range(0x42, 0x45), range(0x4D, 0x4F), range(0x53, 0x55), 0x59),
        *(range(0x5D, 0x5F), 0x63, 0x65, 0x92, 0x9E, 0xA2),
    ),
    3: (0x67, 0x6F, 0x90, 0x93),
    4: (
        *(*range(0x00, 0xE0, 0x20), 0x01, range(0x24, 0x2C), range(0x34, 0x3C), 0x41, range(0x4F, 0x51)),
        *(0x9B, 0x9D, 0xA4, 0xA5, 0xA6),
    ),
    5: (0x64, 0x66, range(0x6A, 0x6D), range(0x72, 0x75), 0x77, range(0x86, 0x88), 0x91),
    6: (0x9A,),
    7: (0x69, range(0x75, 0x77), range(0x7A, 0x7C), 0x8B, 0x8F),
    9: (0x6E, range(0x78, 0x7A), 0x7C, range(0x98, 0x9A), 0x9F, 0xA1, 0xA3),
    10: (0x85,),
    12: (0x94,),
    13: (0x7F, 0x88),
    17: (0x9C,),
    41: (range(0x81, 0x83), range(0x89, 0x8B)),
}
SIZES = {
    pid: size
    for size, numbers in _PIDS_BY_SIZE.items()
    for number in numbers
    for pid in ([number] if isinstance(number, int) else number)
}
"""Bytes in the value of each PID of service 01."""
BY_BANKS = dict.fromkeys((*range(6, 10), *range(85, 89)), (1, 2))
"""Fuel trims: one byte, or two in a car that has banks 3 and 4. The length of the whole answer decides."""


class Answer(NamedTuple):
    """A PID and the bytes of its value."""

    pid: int
    value: bytes


def read_answers(payload: bytes) -> tuple[Answer, ...] | None:
    """The values in a positive answer of service 01, up to a PID of unknown length; None for any other payload.

    A truncated value makes the result None, because the table does not fit the answer.
    """
    if len(payload) < 3 or payload[0] != POSITIVE:
        return None
    answers = []
    at = 1
    ends: list[bool] = []
    while at < len(payload):
        size = SIZES.get(payload[at])
        if size is None and payload[at] in BY_BANKS:
            ends = ends or _ends(payload)
            size = next(
                (size for size in BY_BANKS[payload[at]] if ends[at + 1 + size : at + 2 + size] == [True]),
                None,
            )
        if size is None:
            break
        value = payload[at + 1 : at + 1 + size]
        if len(value) < size:
            return None
        answers.append(Answer(payload[at], value))
        at += 1 + size
    return tuple(answers)


def _ends(payload: bytes) -> list[bool]:
    """For each offset in an answer: whether PIDs and values from there on end exactly at its end."""
    end = len(payload)
    ends = [False] * end + [True]
    for at in range(end - 1, 0, -1):
        size = SIZES.get(payload[at])
        sizes = BY_BANKS.get(payload[at], ()) if size is None else (size,)
        ends[at] = any(at + size < end and ends[at + 1 + size] for size in sizes)
    return ends


def is_pending(payload: bytes) -> bool:
    """Whether a payload says that the answer to a request of service 01 follows later."""
    return payload[:3] == bytes((NEGATIVE, SERVICE, PENDING))


def request(*pids: int) -> bytes:
    """The frame data of a request for one to MAX_PIDS PIDs."""
    return isotp.frames_of(bytes((SERVICE, *pids)))[0]


def requested_pids(data: bytes) -> tuple[int, ...]:
    """The PIDs in a request frame; none if it is not a request of service 01."""
    payload = isotp.single_payload(data) or b""
    return tuple(payload[1:]) if payload[:1] == bytes((SERVICE,)) else ()


def physical_id(answer_id: int) -> int:
    """The request identifier of the control unit that sent an answer: 7E0 for 7E8, 18DAxxF1 for 18DAF1xx."""
    if answer_id in STANDARD_ANSWER_IDS:
        return answer_id - 8
    return 0x18DA00F1 | (answer_id & 0xFF) << 8 | EFF_FLAG


def supported(base: int, value: bytes) -> frozenset[int]:
    """The supported PIDs that the answer to support PID `base` lists."""
    bits = int.from_bytes(value, "big")
    return frozenset(base + offset for offset in range(1, 33) if bits >> (32 - offset) & 1)
