"""Fast decoder for plain DBC messages: integers that every frame carries.

The live recorder decodes the same few messages ten times per second all day. This takes a quarter of cantools' time by
shift and mask, an eighth where all signals are whole bytes, and no import of cantools; cantools decodes everything
else. A test checks that both agree on real DBC files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import add, mul
from struct import Struct
from typing import Literal, NamedTuple

from firmware_bridge.engine.dbc_records import SignalText
from firmware_bridge.record_columns import ReadingColumns
from firmware_bridge.records import Channel

_CODES = {8: "B", 16: "H", 32: "I", 64: "Q"}
"""The `struct` codes of unsigned numbers by their bits; those of signed ones are small letters."""
_EXACT = 2.0**53
"""Whole numbers below this are exact as a double."""


class PlainSignals:
    """The signals of one plain message. Prepared with its first frame: most messages of a file never occur on a bus."""

    def __init__(
        self, length: int, signals: Mapping[str, SignalText], channels: Mapping[str, Channel]
    ) -> None:
        """`length` is the message's, in bytes; signals and channels are by the same names."""
        self._length = length
        self._signals, self._channels = signals, channels
        self._layout: _Layout | None = None

    def decode(self, t_us: int, data: bytes) -> ReadingColumns:
        """The signals of a frame; in a short one those that are complete. Bytes beyond the message's are ignored."""
        if self._layout is None:
            channels = [self._channels[name] for name in self._signals]
            self._layout = _Layout(self._length, [*self._signals.values()], channels)
        layout = self._layout
        if len(data) < self._length:
            ends = [signal.first_bit + signal.length for signal in self._signals.values()]
            whole = [at for at, end in enumerate(ends) if end <= 8 * len(data)]
            values = layout.values(data.ljust(self._length, b"\0"))
            channels = [layout.channels[at] for at in whole]
            return ReadingColumns([t_us] * len(whole), channels, [values[at] for at in whole])
        values = layout.values(data)
        return ReadingColumns([t_us] * len(values), layout.channels, values)


class _Place(NamedTuple):
    """A signal's position in the frame read as one number."""

    shift: int
    mask: int
    sign: int


class _Layout:
    """The signals of a message of `length` bytes, prepared for its frames."""

    def __init__(self, length: int, signals: Sequence[SignalText], channels: list[Channel]) -> None:
        self.channels = channels
        self._length = length
        is_little = {signal.is_little for signal in signals}
        self._is_mixed = len(is_little) > 1
        self._order: Literal["little", "big"] = "big" if is_little == {False} else "little"
        self._places = [self._place(signal) for signal in signals]
        self._scales = [_exactly(signal.scale, signal) for signal in signals]
        self._offsets = [_exactly(signal.offset, signal) for signal in signals]
        self._is_exact = all(_largest(signal) < _EXACT for signal in signals)
        self._numbers = None if self._is_mixed else self._whole_bytes(signals)

    def values(self, data: bytes) -> list[float]:
        """The signals' values in a frame of at least the message's bytes."""
        raws = self._shifted(data) if self._numbers is None else self._numbers.unpack_from(data)
        values = list(map(add, map(mul, raws, self._scales), self._offsets))
        return values if self._is_exact else [float(value) for value in values]

    def _shifted(self, data: bytes) -> list[int]:
        """The signals' numbers by shift and mask."""
        data = data[: self._length]
        frame = int.from_bytes(data, self._order)
        if self._is_mixed:
            frame |= int.from_bytes(data, "big") << 8 * self._length
        return [(frame >> shift & mask ^ sign) - sign for shift, mask, sign in self._places]

    def _place(self, signal: SignalText) -> _Place:
        shift, bits = signal.start, 8 * self._length
        if not signal.is_little:
            shift = bits - signal.first_bit - signal.length + (bits if self._is_mixed else 0)
        sign = 1 << (signal.length - 1) if signal.is_signed else 0
        return _Place(shift, (1 << signal.length) - 1, sign)

    def _whole_bytes(self, signals: Sequence[SignalText]) -> Struct | None:
        """The signals as a `struct`; None unless each has as many whole bytes as a C type, behind the last one."""
        text, end = "", 0
        for signal in signals:
            first, code = signal.first_bit, _CODES.get(signal.length, "")
            if not code or first % 8 or first < end:
                return None
            text += f"{(first - end) // 8}x{code.lower() if signal.is_signed else code}"
            end = first + signal.length
        return Struct(("<" if self._order == "little" else ">") + text)


def _largest(signal: SignalText) -> float:
    """Upper bound of a signal's absolute value."""
    return abs(float(signal.scale)) * 2.0**signal.length + abs(float(signal.offset))


def _exactly(number: float, signal: SignalText) -> float:
    """A scale or an offset; of values too large for an exact double, an integer stays one where it does in cantools."""
    if _largest(signal) < _EXACT:
        return float(number)
    is_whole = float(signal.scale).is_integer() and float(signal.offset).is_integer()
    return int(number) if is_whole else number
