"""Sources of a pipeline: each port's input with its rate limits, and the makers of fixes and engine readings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from firmware_bridge.devices.evidence import Tally
from firmware_bridge.protocols import Decoder
from firmware_bridge.records import CanFrame, Channel, Fix, Notice, Reading, Sentence

REJECTED_ROWS_PER_S = 20
"""Damaged pieces kept as rows per port and second: enough to find a wiring fault."""
NOTICES_PER_S = 5
"""Notices of one kind kept per port and second: a faulty bus repeats them thousands of times."""


class FixSource(Protocol):
    """A source of fixes: a receiver's sentences (gps/fix_builder.py) or a log's rows (judgement/recorded_input.py)."""

    def feed(self, sentence: Sentence) -> Sequence[Fix]:
        """The fixes that this sentence completes."""

    def tick(self, t_us: int) -> Sequence[Fix]:
        """The fixes that are complete at `t_us`."""

    def finish(self) -> Sequence[Fix]:
        """The remaining fixes, at the end of input."""

    def take_notices(self) -> Sequence[Notice]:
        """The notices since the last call."""

    def restarted(self) -> FixSource:
        """A new source with the same settings and no state."""


@dataclass(slots=True)
class Source:
    """One port's input. `decoder` is None if only whole frames, sentences or fixes come in; `fixes` is set for a GPS
    receiver only."""

    port: str
    decoder: Decoder | None = None
    fixes: FixSource | None = None
    _items_this_s: Counter[str] = field(default_factory=Counter)
    tally: Tally | None = field(init=False)
    """Decodes the bytes and counts the results."""

    def __post_init__(self) -> None:
        self.tally = (
            Tally(self.decoder, is_mixed=self.fixes is not None) if self.decoder is not None else None
        )

    def allow(self, kind: str, max_per_s: int) -> bool:
        """Count an item of this kind; whether it is within the rate limit and may be logged."""
        self._items_this_s[kind] += 1
        return self._items_this_s[kind] <= max_per_s

    def surplus(self) -> dict[str, int]:
        """Number of items per kind beyond the rate limit in the second that ends now."""
        max_per_s = {"rejected": REJECTED_ROWS_PER_S}
        over = {
            kind: count - max_per_s.get(kind, NOTICES_PER_S) for kind, count in self._items_this_s.items()
        }
        self._items_this_s.clear()
        return {kind: count for kind, count in over.items() if count > 0}


class Engine(Protocol):
    """Frames in; at each beat the newest reading of each channel out (firmware_bridge.engine.readings)."""

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Take frames, in order of arrival."""

    def tick(self, t_us: int) -> Sequence[Reading]:
        """The readings of the beat at `t_us`, none later than it."""

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """Begin or continue a log that has these channels so far."""
