"""When to read a port again: how long bytes may collect after a read.

Sans-I/O: the times of reads come in, pauses go out. A read wakes when the first byte arrives and takes all available
bytes; then the caller pauses. So a single sentence is not delayed, and a saturated bus, whose adapter sends small
pieces, wakes the thread at most 200 times per second.

Frames that carry their own times may be read later, ten times per second. But the times of arrival place the device's
clock on the session's (devicetime.py): a frame that is always found late, as with a bus whose period divides a tenth of
a second, would be recorded late. So a few reads per second are prompt: they follow the one before without a pause, and
wake with the next frame.
"""

from __future__ import annotations

GATHER_S = 0.005
"""Usual pause after a read, for at most 200 wake-ups per second. At 1 MB/s, more than USB 1.1 carries, 5 ms are 5 kB;
the kernel buffers at least ten times that."""
STAMPED_READ_US = 100_000
"""Interval of reads where frames carry their own times. Engine values are decoded at whole tenths of a second: more
reads would show none of them earlier."""
READ_LEAD_US = 5_000
"""Time of these reads before each whole tenth of a second of the session's clock, so that the frames are there then."""
PROMPT_READS = 3
"""Prompt reads per second: the first may wake within a burst of frames, and a UART delivers a frame in pieces."""
_SECOND_US = 1_000_000


class StampedPace:
    """The pauses after reads of frames with times."""

    def __init__(self) -> None:
        self._second = -1
        self._prompt_reads = 0

    def pause_s(self, t_us: int) -> float:
        """How long bytes may collect after a read at `t_us` of the session."""
        second, past_us = divmod(t_us + READ_LEAD_US, _SECOND_US)
        if second != self._second:
            self._second, self._prompt_reads = second, PROMPT_READS
        if self._prompt_reads:
            self._prompt_reads -= 1
            return 0.0
        return max(GATHER_S, (STAMPED_READ_US - past_us % STAMPED_READ_US) / 1e6)
