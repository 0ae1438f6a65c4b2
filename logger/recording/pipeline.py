"""From port bytes to rows, sans-I/O: the same code records live, replays, simulates and reviews.

Bytes and times go in, `Rows` come out. Each source has its own decoder; a GPS source's sentences become fixes and
the clock, CAN frames become readings ten times a second. What a damaged wire throws up is kept as evidence up
to a bound a second, and counted beyond it: a loose connector must not fill the card.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.fixes import FixBuilder
from firmware_bridge.protocols import Decoder
from firmware_bridge.records import CanFrame, Fix, Notice, Rejected, Sentence
from logger.recording.clock import GpsClock
from logger.recording.rows import EventRow, RejectedRow, Rows, SentenceRow

READING_PERIOD_US = 100_000
"""Engine readings are logged at 10 Hz."""
_REJECTED_ROWS_A_S = 20
"""Damaged pieces kept as rows, a port and second; enough to see what is wrong with a wire."""
_REJECTED_BYTES_A_ROW = 256
"""Bytes kept of one damaged piece: a whole sentence or several frames."""
_NOTICES_A_S = 5
"""Notices of one kind kept, a port and second: a bus in trouble says so thousands of times."""
_SECOND_US = 1_000_000


@dataclass(slots=True)
class Source:
    """One port's way into the log. `fixes` is there for a GPS receiver only."""

    port: str
    decoder: Decoder
    fixes: FixBuilder | None = None
    _second: int = -1
    _allowance: Counter[str] = field(default_factory=Counter)
    _surplus: Counter[str] = field(default_factory=Counter)

    def allow(self, kind: str, most: int) -> bool:
        """Whether one more of a kind may be logged in this second; if not it is counted."""
        self._allowance[kind] += 1
        if self._allowance[kind] <= most:
            return True
        self._surplus[kind] += 1
        return False

    def next_second(self, t_us: int) -> dict[str, int]:
        """On entering another second: what was not logged one by one in the last."""
        second = t_us // _SECOND_US
        if second == self._second:
            return {}
        self._second = second
        surplus = dict(self._surplus)
        self._allowance.clear()
        self._surplus.clear()
        return surplus


class Pipeline:
    """Sources in, rows out. Not thread-safe: one thread feeds it."""

    def __init__(self, sources: Sequence[Source], readings: EngineReadings) -> None:
        self._sources = {source.port: source for source in sources}
        self._readings = readings
        self._clock = GpsClock()
        self._rows = Rows()
        self._reading_t_us = 0

    @property
    def clock(self) -> GpsClock:
        """UTC as GPS tells it."""
        return self._clock

    def feed(self, port: str, t_us: int, data: bytes) -> Sequence[CanFrame]:
        """Bytes that arrived on a port at `t_us`. Returns the frames among them, which a poller wants to see."""
        source = self._sources[port]
        batch = source.decoder.feed(data, t_us)
        if batch.frames:
            self.frames(batch.frames)
        for sentence in batch.sentences:
            self.sentence(port, sentence)
        for rejected in batch.rejected:
            self._reject(source, rejected)
        for notice in batch.notices:
            self._notice(source, notice)
        return batch.frames

    def frames(self, frames: Sequence[CanFrame]) -> None:
        """Frames that are whole already: out of a decoder, or out of another log."""
        self._rows.frame.extend(frames)
        self._readings.feed(frames)

    def sentence(self, port: str, sentence: Sentence) -> None:
        """A sentence that is whole already."""
        self._rows.sentence.append(SentenceRow(sentence.t_us, port, sentence.text))
        source = self._sources[port]
        if source.fixes is not None:
            self._fixes(source, source.fixes.feed(sentence))

    def event(self, t_us: int, kind: str, detail: Mapping[str, Any]) -> None:
        """Something that the caller has to say: a link that came or went, a loss."""
        self._rows.event.append(EventRow(t_us, kind, detail))

    def tick(self, t_us: int) -> None:
        """Time has come to `t_us`: ends epochs after a pause, takes readings, says what was too much to log."""
        for source in self._sources.values():
            if source.fixes is not None:
                self._fixes(source, source.fixes.tick(t_us))
            if surplus := source.next_second(t_us):
                self.event(t_us, "not_logged", {"port": source.port, **surplus})
        if t_us - self._reading_t_us >= READING_PERIOD_US:
            self._reading_t_us = t_us - t_us % READING_PERIOD_US
            self._rows.reading.extend(self._readings.tick(t_us))

    def finish(self, t_us: int) -> None:
        """No more bytes will come: ends what is open."""
        for source in self._sources.values():
            if source.fixes is not None:
                self._fixes(source, source.fixes.finish())
        self.tick(t_us + _SECOND_US)

    def take(self) -> Rows:
        """The rows since the last call; they are the caller's now."""
        rows, self._rows = self._rows, Rows()
        return rows

    def counts(self, port: str) -> tuple[int, int]:
        """Good and bad pieces of a port so far."""
        decoder = self._sources[port].decoder
        return decoder.good, decoder.bad

    def _fixes(self, source: Source, fixes: Sequence[Fix]) -> None:
        for fix in fixes:
            self._rows.fix.append(fix)
            row = self._clock.feed(fix)
            if row is not None:
                self._rows.clock.append(row)
        assert source.fixes is not None  # noqa: S101 - callers have looked
        for notice in source.fixes.take_notices():
            self._notice(source, notice)

    def _reject(self, source: Source, rejected: Rejected) -> None:
        if source.allow("rejected", _REJECTED_ROWS_A_S):
            data = rejected.data[:_REJECTED_BYTES_A_ROW]
            self._rows.rejected.append(RejectedRow(rejected.t_us, source.port, rejected.reason, data))

    def _notice(self, source: Source, notice: Notice) -> None:
        if source.allow(notice.kind, _NOTICES_A_S):
            self.event(notice.t_us, notice.kind, {"port": source.port, **notice.detail})
