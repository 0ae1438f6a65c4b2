"""Layout of a MoTeC .ld file, little-endian, as read by i2 and found out by others.

    0      head      pointers to the blocks below, date, time, driver, vehicle, venue
    1762   vehicle   name, weight, type, comment
    5078   venue     name, pointer to the vehicle
    8180   event     event, session, comment, pointer to the venue
    11336  channels  one head of 124 bytes each, linked to the previous and the next
    then   data      the samples of the first channel, of the second ...

    value = (sample / scale * 10^-decimals + shift) * multiplier

Texts are ASCII, padded with zeros. Offsets and constants are those of files that i2 Pro opens. Knows no log.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from logger.export.plain_names import ascii_text

_HEAD = struct.Struct("<I4xII20xI24xHHHI8sHHI4x16s16x16s16x64s64s64x64s64x1024xI66x64s126x")
_VEHICLE = struct.Struct("<64s128xI32s32s")
_VENUE = struct.Struct("<64s1034xH")
_EVENT = struct.Struct("<64s64s1024sH")
_CHANNEL = struct.Struct("<IIIIHHHHhhhh32s8s12s40x")
_VEHICLE_AT, _VENUE_AT, _EVENT_AT, _CHANNELS_AT = 1762, 5078, 8180, 11336

_MARKER = 0x40
_STATIC = (1, 0x4240, 0xF)
_SERIAL, _DEVICE, _DEVICE_VERSION, _DEVICE_STATIC = 0x1F44, b"ADL", 420, 0xADB0
_PRO_LOGGING = 0x0C81A4
"""Without it i2 Pro refuses the file."""
_FIRST_NUMBER = 0x2EE1
FLOAT, INTEGER = 7, 5
"""Kinds of sample, both of four bytes."""
MAX_BYTES = 2**31 - 1
"""The pointers have 32 bits, and some readers take them as signed."""
MAX_NAME_CHARS, MAX_SHORT_CHARS, MAX_UNIT_CHARS = 31, 7, 11
"""One less than their fields: programs expect a zero at the end."""


class Session(NamedTuple):
    """What the file says of the drive."""

    begun: datetime
    driver: str
    vehicle: str
    vehicle_type: str
    venue: str
    event: str
    session: str
    comment: str


class LdChannel(NamedTuple):
    """A channel with `samples` samples of four bytes each. An integer sample has `decimals` decimals."""

    name: str
    short: str
    unit: str
    rate_hz: int
    samples: int
    kind: int = FLOAT
    decimals: int = 0


def before_data(session: Session, channels: Sequence[LdChannel]) -> bytes:
    """Everything before the samples."""
    data_at = _CHANNELS_AT + len(channels) * _CHANNEL.size
    blocks = {
        0: _head(session, len(channels), data_at),
        _VEHICLE_AT: _VEHICLE.pack(
            _text(session.vehicle, 64), 0, _text(session.vehicle_type, 32), _text(session.vehicle, 32)
        ),
        _VENUE_AT: _VENUE.pack(_text(session.venue, 64), _VEHICLE_AT),
        _EVENT_AT: _EVENT.pack(
            *(_text(session.event, 64), _text(session.session, 64), _text(session.comment, 1024), _VENUE_AT)
        ),
        _CHANNELS_AT: b"".join(_channel_heads(channels, data_at)),
    }
    written = bytearray(data_at)
    for at, block in blocks.items():
        written[at : at + len(block)] = block
    return bytes(written)


def _head(session: Session, channels: int, data_at: int) -> bytes:
    return _HEAD.pack(
        *(_MARKER, _CHANNELS_AT if channels else 0, data_at, _EVENT_AT),
        *_STATIC,
        *(_SERIAL, _DEVICE, _DEVICE_VERSION, _DEVICE_STATIC, channels),
        *(f"{session.begun:%d/%m/%Y}".encode(), f"{session.begun:%H:%M:%S}".encode()),
        *(_text(session.driver, 64), _text(session.vehicle, 64), _text(session.venue, 64)),
        *(_PRO_LOGGING, _text(session.comment, 64)),
    )


def _channel_heads(channels: Sequence[LdChannel], data_at: int) -> list[bytes]:
    heads = []
    for number, channel in enumerate(channels):
        at = _CHANNELS_AT + number * _CHANNEL.size
        heads.append(
            _CHANNEL.pack(
                *(
                    at - _CHANNEL.size if number else 0,
                    at + _CHANNEL.size if number + 1 < len(channels) else 0,
                ),
                *(
                    data_at,
                    channel.samples,
                    (_FIRST_NUMBER + number) & 0xFFFF,
                    channel.kind,
                    4,
                    channel.rate_hz,
                ),
                *(0, 1, 1, channel.decimals),
                _text(channel.name, MAX_NAME_CHARS + 1),
                _text(channel.short, MAX_SHORT_CHARS + 1),
                _text(channel.unit, MAX_UNIT_CHARS + 1),
            )
        )
        data_at += 4 * channel.samples
    return heads


def _text(text: str, size: int) -> bytes:
    """A text for a field of `size` bytes, with a zero at its end."""
    return ascii_text(text, size - 1).encode()
