"""ISO-TP (ISO 15765-2): reassemble messages from CAN frames, and split payloads into frames.

    single        [0n]    [payload: n = 1..7]            n = 0: the length is in the next byte (CAN FD)
    first         [1n nn] [payload: the first 6 bytes]   nnn = length of the whole payload, more than 7
    consecutive   [2s]    [payload: the next 7 bytes]    s counts 1, 2 .. F, 0, 1 ..
    flow control  [3f bs st]                             from the receiver: f = 0 continue, bs = 0 without a pause

Bytes after the payload are padding. Each source (a bus and an identifier) has at most one unfinished message, so the
frames of several sources may alternate. A message with a lost, repeated or late frame is dropped whole and counted
once. The content of payloads is not interpreted.
"""

from __future__ import annotations

from typing import NamedTuple

FRAME_TIMEOUT_US = 1_000_000
"""Longest time between two frames of one message (ISO 15765-2, N_Cr)."""
MAX_SOURCES = 64
"""Control units with an unfinished message on all buses. Beyond it the oldest unfinished message is dropped."""
MAX_LENGTH = 512
"""Longest payload kept, in bytes: six OBD-II values of the longest kind have 253. A longer one, such as when a
workshop tester reads memory, is skipped and not counted."""
CLEAR_TO_SEND = b"\x30\x00\x00".ljust(8, b"\x00")
"""Flow control: send the rest at full speed."""

_SINGLE, _FIRST, _CONSECUTIVE, _FLOW_CONTROL = range(4)
_CLASSIC_SINGLE = 7
_FRAME_BYTES = 8
"""Bytes of a classic frame; a shorter first frame is damaged."""

Source = tuple[int, int]
"""A bus and an identifier."""


class _Unfinished(NamedTuple):
    """An unfinished message. `piece` is the number of payload bytes in each consecutive frame."""

    payload: bytes
    length: int
    sequence: int
    piece: int
    t_us: int


class Reassembler:
    """Frames to payloads. `dropped` counts incomplete messages, `bad` counts frames that are not ISO-TP."""

    def __init__(self) -> None:
        self.dropped = self.bad = 0
        self._unfinished: dict[Source, _Unfinished] = {}
        self._broken: set[Source] = set()

    def feed(self, t_us: int, source: Source, data: bytes) -> bytes | None:
        """The payload that this frame completes; None if it completes none."""
        first = data[0] if data else 0xFF
        # Fast path: the same result as below for nearly every frame, in a third of the time.
        if 0 < first <= _CLASSIC_SINGLE < len(data) and not self._unfinished and not self._broken:
            return data[1 : first + 1]
        kind = first >> 4
        if kind == _CONSECUTIVE:
            return self._continue(t_us, source, data)
        if kind == _FLOW_CONTROL:
            return None
        payload = single_payload(data)
        length = first_length(data)
        if payload is None and length is None:
            self.bad += 1
            return None
        if self._unfinished.pop(source, None) is not None:
            self.dropped += 1  # the source has begun another message
        self._broken.discard(source)
        if length is not None and length > MAX_LENGTH:
            self._ignore_rest(source)
        elif length is not None:
            self._begin(source, _Unfinished(data[2:], length, 1, len(data) - 1, t_us))
        return payload

    def _begin(self, source: Source, message: _Unfinished) -> None:
        if len(self._unfinished) >= MAX_SOURCES:
            del self._unfinished[next(iter(self._unfinished))]
            self.dropped += 1
        self._unfinished[source] = message

    def _continue(self, t_us: int, source: Source, data: bytes) -> bytes | None:
        message = self._unfinished.pop(source, None)
        if message is None:
            self._break(source)
            return None
        left = message.length - len(message.payload)
        piece = data[1 : 1 + min(left, message.piece)]
        is_next = data[0] & 0x0F == message.sequence and t_us - message.t_us <= FRAME_TIMEOUT_US
        if not is_next or len(piece) < min(left, message.piece):
            self._break(source)
            return None
        payload = message.payload + piece
        if len(payload) == message.length:
            return payload
        sequence = (message.sequence + 1) % 16
        self._begin(source, message._replace(payload=payload, sequence=sequence, t_us=t_us))
        return None

    def _break(self, source: Source) -> None:
        """A consecutive frame that continues no message: count the lost message once, at its first such frame."""
        if source not in self._broken:
            self.dropped += 1
            self._ignore_rest(source)

    def _ignore_rest(self, source: Source) -> None:
        """Ignore further consecutive frames of a source until its next message begins."""
        if len(self._broken) >= MAX_SOURCES:
            self._broken.clear()
        self._broken.add(source)


def single_payload(data: bytes) -> bytes | None:
    """The payload of a single frame; None for any other or truncated frame."""
    if not data or data[0] >> 4 != _SINGLE:
        return None
    length, start = data[0] & 0x0F, 1
    if not length and len(data) > _FRAME_BYTES:
        length, start = data[1], 2
    elif length > _CLASSIC_SINGLE:
        return None
    return data[start : start + length] if length and len(data) >= start + length else None


def first_length(data: bytes) -> int | None:
    """Length in bytes of the message that a first frame begins; None for any other frame.

    The form for messages of 4,096 bytes and more (length 0 in these twelve bits) is not supported: no OBD-II answer
    is that long.
    """
    if len(data) < _FRAME_BYTES or data[0] >> 4 != _FIRST:
        return None
    length = (data[0] & 0x0F) << 8 | data[1]
    return length if length > len(data) - 2 else None


def frames_of(payload: bytes, padding: bytes = b"\x00") -> list[bytes]:
    """Split a payload of 1 to 4,095 bytes into the data of the frames to send."""
    if len(payload) <= _CLASSIC_SINGLE:
        return [(bytes((len(payload),)) + payload).ljust(_FRAME_BYTES, padding)]
    frames = [(_FIRST << 12 | len(payload)).to_bytes(2, "big") + payload[:6]]
    for number, start in enumerate(range(6, len(payload), 7), 1):
        frames.append(
            (bytes((_CONSECUTIVE << 4 | number % 16,)) + payload[start : start + 7]).ljust(
                _FRAME_BYTES, padding
            )
        )
    return frames
