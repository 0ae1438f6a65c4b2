"""Stream decoder of SLCAN, the Lawicel ASCII protocol, in all known dialects.

`slcan_line` draws one line, `slcan_answers` parses other messages of adapters, `slcan_opening` opens them. CR ends a
line, in some firmwares also LF, and BEL (07) is an answer of its own.

There is no checksum, so a line must match exactly: known kind, possible identifier, exact length. The number of digits
of device time after the data is learned from the stream: a line that differs from the lines before is not accepted
until the next one agrees with it. After a lost CR the second frame of the line is good.

Speed: C code alone decodes a chunk whose lines all have one kind and length (`slcan_columns`). Other lines go one by
one through a table of heads (kind, identifier, length) seen before, and the rest takes the slow path. Tests check that
all paths give the result of the construct in `slcan_line`.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Iterator
from contextlib import suppress
from struct import unpack
from typing import NamedTuple

from firmware_bridge.protocols.devicetime import DeviceClock
from firmware_bridge.protocols.framing import FrameDecoder, stamped
from firmware_bridge.protocols.slcan_answers import BEL, answer
from firmware_bridge.protocols.slcan_columns import STAMP_CODES, uniform_columns
from firmware_bridge.protocols.slcan_line import (
    KINDS,
    MODULI,
    TICK_US,
    Head,
    encode,
    parse,
    read_head,
    report,
)
from firmware_bridge.protocols.slcan_opening import BAUDS, CLOSING, opening
from firmware_bridge.record_columns import Batch, FrameColumns
from firmware_bridge.records import EFF_FLAG, ESI_FLAG, FD_FLAG

__all__ = ["BAUDS", "CLOSING", "Decoder", "encode", "opening", "parse", "report"]

# Characters; the longest line of any firmware is CANable 2.5's self-description, up to 250.
MAX_LINE = 256
LINE_END = b"\r"
# Bound of the table: a bus has tens to a few hundred identifiers, and noise must not fill memory.
MAX_HEADS = 4096
# While the number of stamp digits is unknown, no line length matches with this value.
UNKNOWN_DIGITS = -1_000
# Starts of a frame that are not hex digits: only these can be found among the data of a damaged line.
START = re.compile(rb"[tTrR]")
# White space that can be in a line.
SPACES = " \t\v\f"


class Line(NamedTuple):
    """A parsed frame line."""

    stamp_digits: int
    can_id: int
    data: bytes
    stamp: int


class Decoder(FrameDecoder):
    """Decode SLCAN bytes into frames. `bus` is the log's number of the adapter's only bus."""

    def __init__(self, bus: int = 0) -> None:
        super().__init__(bus)
        self._last_us = 0
        self._heads: dict[str, Head] = {}
        self._stamp_digits = UNKNOWN_DIGITS
        self._unconfirmed = (UNKNOWN_DIGITS, 0)
        self._damaged_at = -1
        self._frames = FrameColumns()
        self._ids: list[int] = []
        self._datas: list[bytearray] = []
        self._stamps: list[int] = []

    def feed(self, data: bytes, t_us: int) -> Batch:
        """Decode the bytes that arrived at `t_us`. At most one unfinished line is kept."""
        if b"\n" in data:
            data = data.replace(b"\r\n", b"\r").replace(b"\n", b"\r")
        if BEL in data:
            data = data.replace(BEL, b"\r\a\r")
        self._begin(t_us)
        buffer = self._rest + data
        end = buffer.rfind(b"\r") + 1
        if end:
            self._decode(buffer[:end])
        self._rest = self._bounded(buffer[end:])
        self._finish()
        if self.good != self._damaged_at:
            self._account.settle()
        frames, self._frames = self._frames, FrameColumns()
        return self._account.batch(frames)

    def _decode(self, block: bytes) -> None:
        """Decode whole lines, in one go if all but the first, which may be the end of one, have one kind and length."""
        stamp_digits = self._stamp_digits
        columns = uniform_columns(block, stamp_digits)
        if columns is None:
            first = block.find(b"\r") + 1
            columns = uniform_columns(block[first:], stamp_digits)
            if columns is not None:
                self._lines(block[:first])
                block = block[first:]
        # The first line may have switched the kind of stamp.
        if columns is None or self._stamp_digits != stamp_digits:
            self._lines(block)
        else:
            self._ids += columns.ids
            self._datas += columns.datas
            self._stamps += columns.stamps

    def _lines(self, block: bytes) -> None:
        """Decode lines one by one: the path of mixed traffic."""
        text = block.decode("latin-1")
        lines = text.split("\r")[:-1]
        if any(space in text for space in SPACES):  # which `fromhex` ignores
            for line in filter(None, lines):
                self._unusual(line.encode("latin-1"))
            return
        rest, at = iter(lines), 0
        while at < len(lines):
            at += self._known_lines(rest, lines, at)
            if at < len(lines) and lines[at]:
                self._unusual(lines[at].encode("latin-1"))
            at += 1

    def _known_lines(self, rest: Iterator[str], lines: list[str], at: int) -> int:
        """Decode lines from `at` on while their heads are in the table; returns their number.

        `rest` are the same lines; the first that is no such line is taken from it too.
        """
        known, fromhex, stamp_digits = self._heads.get, bytearray.fromhex, self._stamp_digits
        ids: list[int] = []
        cut: list[bytearray] = []
        stamps: list[str] = []
        with suppress(ValueError):
            for line in rest:
                head = known(line[:5]) or known(line[:10])
                if head is None:
                    break
                can_id, data, size, stamp, _, fill = head
                if len(line) != size + stamp_digits:
                    break
                cut.append(bytearray(fill) if fill else fromhex(line[data]))
                ids.append(can_id)
                stamps.append(line[stamp])
        count = len(ids)
        if stamp_digits > 0 and count:
            try:
                self._stamps += unpack(f">{count}{STAMP_CODES[stamp_digits][1]}", unhexlify("".join(stamps)))
            except ValueError:
                for line in lines[at : at + count]:
                    self._unusual(line.encode("latin-1"))
                return count
        self._ids += ids
        self._datas += cut
        return count

    def _unusual(self, line: bytes) -> None:
        """Handle a line that is not a known one: a new identifier, an answer, a new mode, or damage."""
        line = self._bounded(line)
        # z or Z: an acknowledged transmission, or its echo.
        frame = self._frame(line) or self._frame(line.lstrip(b"zZ"))
        if frame is not None:
            if not self._accept(frame):
                self._reject(line + b"\r", "length")
        elif (notice := answer(line)) is not None:
            kind, detail = notice
            if kind:
                self._account.notice(self._t_us, kind, **detail)
        else:
            self._damaged(line)

    def _bounded(self, line: bytes) -> bytes:
        """The last MAX_LINE bytes of a line; those before them are rejected."""
        if len(line) > MAX_LINE:
            self._reject(line[:-MAX_LINE], "overlong")
        return line[-MAX_LINE:]

    def _damaged(self, line: bytes) -> None:
        """Search for a good frame at the end of a damaged line, after a lost CR."""
        for match in START.finditer(line, 1):
            second = self._frame(line[match.start() :])
            if second is not None and second.stamp_digits == self._stamp_digits:
                first = self._frame(line[: match.start()])
                if first is None or not self._accept(first):
                    self._reject(line[: match.start()], "hex" if START.match(line) else "noise")
                self._accept(second)
                return
        head = self._head(line)
        is_long_enough = head is not None and len(line) == head.size + max(self._stamp_digits, 0)
        reason = "hex" if is_long_enough else "length" if line[:1] in KINDS else "noise"
        self._reject(line + b"\r", reason)

    def _frame(self, line: bytes) -> Line | None:
        """The frame in a line with any number of stamp digits; None if it is not a frame."""
        head = self._head(line)
        if head is None:
            return None
        can_id, data, size, _, length, fill = head
        start = data.start
        digits = len(line) - size
        if can_id & FD_FLAG and digits % 2 and line[-1:] in (b"0", b"1", b"S"):
            can_id |= 0 if line[-1:] == b"0" else ESI_FLAG
            line, digits = line[:-1], digits - 1
        # Stock CANable 2 sends data with a remote frame.
        if digits - 2 * len(fill) == max(self._stamp_digits, 0):
            start, digits = start + 2 * len(fill), digits - 2 * len(fill)
        if digits and digits not in STAMP_CODES:
            return None
        try:
            raw = unhexlify(line[start:])
        except ValueError:
            return None
        return Line(digits, can_id, fill or raw[:length], int.from_bytes(raw[length:], "big"))

    def _head(self, line: bytes) -> Head | None:
        """The head of a line, from the table; a new one is added to it."""
        start = line[: 10 if KINDS.get(line[:1], 0) & EFF_FLAG else 5]
        key = start.decode("latin-1")
        head = self._heads.get(key)
        if head is None and (head := read_head(start)) is not None:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            self._heads[key] = head
        return head

    def _accept(self, frame: Line) -> bool:
        """Accept a frame, unless its number of stamp digits is new and the line before it does not confirm it."""
        if frame.stamp_digits != self._stamp_digits:
            count = self.good + len(self._ids)
            if self._stamp_digits != UNKNOWN_DIGITS and self._unconfirmed != (frame.stamp_digits, count):
                self._unconfirmed = (frame.stamp_digits, count)
                return False
            self._switch_stamps(frame.stamp_digits)
        self._ids.append(frame.can_id)
        self._datas.append(bytearray(frame.data))
        self._stamps.append(frame.stamp)
        return True

    def _switch_stamps(self, stamp_digits: int) -> None:
        """Switch to another kind of stamp; the frames so far are finished with their own clock."""
        self._finish()
        self._stamp_digits = stamp_digits
        self._clock = None
        if stamp_digits:
            self._clock = DeviceClock(TICK_US[stamp_digits], MODULI[stamp_digits], self._last_us)

    def _finish(self) -> None:
        """Turn the columns into frames."""
        if not self._ids:
            return
        if self._clock is None:
            times_us = [self._t_us] * len(self._ids)
        else:
            times_us = stamped(self._clock, self._stamps, self._t_us, self._account)
        self._last_us = times_us[-1]
        self.good += len(self._ids)
        buses = [self._bus] * len(self._ids)
        self._frames.extend(FrameColumns(times_us, buses, self._ids, self._datas))
        self._ids, self._datas, self._stamps = [], [], []

    def _reject(self, data: bytes, reason: str) -> None:
        count = self.good + len(self._ids)
        if count != self._damaged_at:
            self._account.settle()
            self._damaged_at = count
        self._account.reject(data, reason, self._t_us)
