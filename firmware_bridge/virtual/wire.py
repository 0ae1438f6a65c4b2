"""Vectorized encoders of CAN frames in the adapters' protocols.

Each protocol's own `report` is the reference for one frame; this does thousands, as a matrix of octets with one
row per frame, and property tests compare the two. Device time is the drive's time in the protocol's ticks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from firmware_bridge.records import EFF_FLAG, EXTENDED_MASK
from firmware_bridge.virtual.rows import Bytes, Ints, Mask, Rows, hex_digits, joined
from firmware_bridge.virtual.traffic import Frames

LAWICEL_WRAP_MS = 60_000


class Reports(NamedTuple):
    """The bytes of many frames, and the end of each frame."""

    data: bytes
    ends: list[int]


def slcan(
    frames: Frames, *, stamped: bool = True, wrap_ms: int = LAWICEL_WRAP_MS, lower: bool = False
) -> Reports:
    """SLCAN lines, with Z1 timestamps that wrap at `wrap_ms`, or without timestamps."""
    is_extended = (frames.can_id & EFF_FLAG) != 0
    number = hex_digits(_octets(frames.can_id & EXTENDED_MASK, ">u4"), lower=lower)
    number[:, :5] *= is_extended[:, None]
    data = hex_digits(frames.data, lower=lower) * np.repeat(_filled(frames), 2, axis=1)
    rows = Rows(len(frames.t_s)).choice(is_extended, "T", "t").cells(number)
    rows.number(frames.length, 1).cells(data)
    if stamped:
        rows.hexadecimal(_octets(_ticks(frames, 1e3) % wrap_ms, ">u2"), lower=lower)
    return Reports(*joined(rows.text("\r").matrix()))


def gvret(frames: Frames) -> Reports:
    """F1 00 | microseconds u32 | id u32 | bus << 4 | length | data | 00, on the adapter's bus 0."""
    return _binary(
        frames,
        _constant(frames, b"\xf1\x00"),
        _octets(_ticks(frames, 1e6), "<u4"),
        _octets(frames.can_id, "<u4"),
        frames.length.astype(np.uint8)[:, None],
        frames.data,
        _constant(frames, b"\x00"),
    )


def canserial(frames: Frames) -> Reports:
    """AA | milliseconds u32 | length u8 | id u32 | data | BB."""
    return _binary(
        frames,
        _constant(frames, b"\xaa"),
        _octets(_ticks(frames, 1e3), "<u4"),
        frames.length.astype(np.uint8)[:, None],
        _octets(frames.can_id, "<u4"),
        frames.data,
        _constant(frames, b"\xbb"),
    )


def realdash(frames: Frames) -> Reports:
    """44 33 22 11 | id u32 | 8 octets, whatever the frame's length."""
    head, number = _constant(frames, b"\x44\x33\x22\x11"), _octets(frames.can_id & EXTENDED_MASK, "<u4")
    data = np.concatenate((head, number, frames.data), axis=1)
    return Reports(data.tobytes(), list(range(16, 16 * len(data) + 16, 16)))


REPORTS: dict[str, Callable[[Frames], Reports]] = {
    "slcan": slcan,
    "gvret": gvret,
    "canserial": canserial,
    "realdash": realdash,
}


def _ticks(frames: Frames, per_s: float) -> Ints:
    """Return the device time in whole ticks, as a chip's counter."""
    return np.floor(np.round(frames.t_s * 1e6) * (per_s / 1e6) + 1e-9).astype(np.int64)


def _octets(values: Ints, order: str) -> Bytes:
    """Return each value's octets in a byte order; higher bits are cut off, as in a counter."""
    return values.astype(order).view(np.uint8).reshape(len(values), -1)


def _constant(frames: Frames, octets: bytes) -> Bytes:
    return np.tile(np.frombuffer(octets, np.uint8), (len(frames.t_s), 1))


def _filled(frames: Frames) -> Mask:
    """Return which of its 8 octets each frame has."""
    out: Mask = np.arange(8) < frames.length[:, None]
    return out


def _binary(frames: Frames, *parts: Bytes) -> Reports:
    """Join the parts of each row; of the data part only the frame's length."""
    present = [_filled(frames) if part is frames.data else np.ones(part.shape, np.bool_) for part in parts]
    return Reports(*joined(np.concatenate(parts, axis=1), np.concatenate(present, axis=1)))
