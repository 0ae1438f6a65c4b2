"""ELM327 and STN dongles (OBDLink, clones): decode lines of hexadecimal text into frames.

    host     command CR
    dongle   [echo CR] line CR line CR ... CR >        until the prompt nothing may be sent: it would abort the command

A dongle either polls (OBD-II, one request per prompt) or listens (ATMA, STMA until its buffer is full). It is opened
by `elm327_opening`; `elm327_asking` paces requests. It has no clock and no checksum. Clones write NUL bytes, drop
characters, keep spaces that were switched off, and echo again after a brown-out. So a line must match exactly, and a
line that is neither a frame nor a known message is damage.
"""

from __future__ import annotations

from firmware_bridge.errors import WireError
from firmware_bridge.protocols.elm327_asking import asker, encode
from firmware_bridge.protocols.elm327_lines import (
    DAMAGED,
    frame_of,
    is_echo,
    line_of,
    notice_of,
    plain,
    without_progress,
)
from firmware_bridge.protocols.elm327_opening import CLOSING, opening
from firmware_bridge.protocols.framing import FrameDecoder
from firmware_bridge.record_columns import Batch
from firmware_bridge.records import ERR_FLAG, CanFrame

__all__ = ["BAUDS", "CLOSING", "Decoder", "asker", "encode", "opening", "report"]

# The rate of Bluetooth and most USB dongles, then OBDLink's, then rates that owners set.
BAUDS = (38_400, 115_200, 500_000, 9_600, 230_400, 2_000_000, 57_600, 1_000_000, 19_200)
MAX_LINE = 256
"""Characters; the longest line, a description of the device, has less than 80."""


class Decoder(FrameDecoder):
    """Decode a dongle's text into frames. `bus` is the log's number of its only bus.

    `good` counts frames and known messages, so an idle dongle that answers counts as working. Text before the first
    line end is never taken for a frame.
    """

    def __init__(self, bus: int = 0) -> None:
        super().__init__(bus)
        self._is_after_prompt = False
        self._is_cut = True

    def feed(self, data: bytes, t_us: int) -> Batch:
        """Decode the bytes that arrived at `t_us`. At most one unfinished line is kept."""
        text = self._rest + data.replace(b"\n", b"\r").replace(b">", b"\r>\r")
        *lines, self._rest = text.split(b"\r")
        frames: list[CanFrame] = []
        for line in lines:
            if line := plain(line):
                self._line(line, t_us, frames)
            self._is_cut = False
        if len(self._rest) > MAX_LINE:
            self._account.reject(self._rest[:-MAX_LINE], "overlong", t_us)
            self._rest = self._rest[-MAX_LINE:]
        return self._account.batch(frames)

    def _line(self, line: bytes, t_us: int, frames: list[CanFrame]) -> None:
        is_after_prompt, self._is_after_prompt = self._is_after_prompt, line == b">"
        if line == b">":
            return
        text = without_progress(line.strip())
        if not text:
            self._count_good()
        elif (notice := notice_of(text)) is not None:
            self._count_good()
            if notice[0]:
                self._account.notice(t_us, notice[0], **notice[1])
        elif is_echo(text, is_after_prompt=is_after_prompt):
            pass
        elif self._is_cut:
            pass  # its beginning may be missing, and the end of many lines looks like an extended frame
        elif (frame := frame_of(text)) is not None:
            self._count_good()
            frames.append(CanFrame(t_us, self._bus, *frame))
        elif text.endswith(DAMAGED):
            self._account.reject(line + b"\r", "bus", t_us)
            self._account.notice(t_us, "bus_error", errors=[text.rpartition(b"<")[2].decode().lower()])
        else:
            self._account.reject(line + b"\r", "noise", t_us)

    def _count_good(self) -> None:
        self._account.settle()
        self.good += 1


def report(frame: CanFrame) -> bytes:
    """The line with which a dongle opened by `opening` reports a frame. WireError for CAN FD and error frames."""
    if frame.can_id >> 32 or frame.can_id & ERR_FLAG or len(frame.data) > 8:
        raise WireError(f"an ELM327 has no frame {frame.can_id:X} of {len(frame.data)} bytes")
    return line_of(frame.can_id, frame.data) + b"\r"
