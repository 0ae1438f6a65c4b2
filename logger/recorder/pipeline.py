"""From port bytes to rows and live state, sans-I/O: the same code records live, replays, simulates and reviews.

Bytes and times go in, `Rows` come out, and a LiveStage (`live`) is kept up with them. Rule 1: time never runs
back; an input stamped before the last one is taken to have come just after it. Rule 2: ten times a second there is a
beat, at whole tenths of the session; engine readings, the end of an epoch by a pause, alarms and the progress row
happen at beats and nowhere else. So the order in which things happened can be read from the rows alone,
and a replay of a log comes to the very progress that the crew saw.

What a damaged wire throws up is kept as evidence up to a bound a second, and counted beyond it: a loose connector
must not fill the card.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from firmware_bridge.devices.evidence import NOTHING, Counts, Tally
from firmware_bridge.protocols import Decoder
from firmware_bridge.records import (
    ERR_FLAG,
    Batch,
    CanFrame,
    Channel,
    Fix,
    Notice,
    Reading,
    Rejected,
    Sentence,
)
from logger.logfile.rows import EventRow, ProgressRow, RejectedRow, Rows, SentenceRow
from logger.recorder.clock import GpsClock
from logger.stage.live_stage import LiveStage

BEAT_US = 100_000
"""Ten beats a second: the rate of the engine readings."""
PROGRESS_EVERY_US = 1_000_000
"""What the crew saw is logged once a second."""
_REJECTED_ROWS_A_S = 20
"""Damaged pieces kept as rows, a port and second; enough to see what is wrong with a wire."""
_REJECTED_BYTES_A_ROW = 256
"""Bytes kept of one damaged piece: a whole sentence or several frames."""
_NOTICES_A_S = 5
"""Notices of one kind kept, a port and second: a bus in trouble says so thousands of times."""


class FixSource(Protocol):
    """What gives fixes: a receiver's sentences (gps/fix_builder.py), or the rows of a log (review.recompute)."""

    def feed(self, sentence: Sentence) -> Sequence[Fix]:
        """The fixes that are complete with this sentence."""

    def tick(self, t_us: int) -> Sequence[Fix]:
        """The fixes that are complete because time has come to `t_us`."""

    def finish(self) -> Sequence[Fix]:
        """The fixes that are left when no more input comes."""

    def take_notices(self) -> Sequence[Notice]:
        """What there is to report since the last call."""

    def restarted(self) -> FixSource:
        """The source of what is still to come, with nothing known of what has come."""


@dataclass(slots=True)
class Source:
    """One port's way into the log. `decoder` is None where only whole frames, sentences or fixes come in; `fixes` is
    there for a GPS receiver only."""

    port: str
    decoder: Decoder | None = None
    fixes: FixSource | None = None
    _allowance: Counter[str] = field(default_factory=Counter)
    tally: Tally | None = field(init=False)
    """Decodes, and counts what came."""

    def __post_init__(self) -> None:
        self.tally = (
            Tally(self.decoder, is_mixed=self.fixes is not None) if self.decoder is not None else None
        )

    def allow(self, kind: str, most: int) -> bool:
        """Whether one more of a kind may be logged in this second; if not it is counted."""
        self._allowance[kind] += 1
        return self._allowance[kind] <= most

    def surplus(self) -> dict[str, int]:
        """What was not logged one by one in the second that ends here."""
        most = {"rejected": _REJECTED_ROWS_A_S}
        over = {kind: count - most.get(kind, _NOTICES_A_S) for kind, count in self._allowance.items()}
        self._allowance.clear()
        return {kind: count for kind, count in over.items() if count > 0}


class Engine(Protocol):
    """Frames in, the newest readings of each channel out at each beat (firmware_bridge.engine.readings)."""

    def feed(self, frames: Sequence[CanFrame]) -> None:
        """Frames, in order of arrival."""

    def tick(self, t_us: int) -> list[Reading]:
        """The readings of the beat at `t_us`, none of a later time."""

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """A log begins, or is continued, that has had these channels so far."""


class Pipeline:
    """Sources in, rows and live state out. Not thread-safe: one thread feeds it."""

    def __init__(self, sources: Sequence[Source], engine: Engine, live: LiveStage) -> None:
        self.live = live
        self.clock = GpsClock()
        self._sources = {source.port: source for source in sources}
        self._engine = engine
        self._rows = Rows()
        self._t_us = 0
        self._beat_us = 0
        self._framed_us: int | None = None

    @property
    def t_us(self) -> int:
        """How far time has come."""
        return self._t_us

    def begin(self, t_us: int) -> None:
        """Nothing stamped up to `t_us` is to come: the log of this drive begins there, later than its session."""
        self._t_us, self._beat_us = t_us, t_us // BEAT_US * BEAT_US
        self.live.begin(t_us)

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """The rows go into a log that has had these channels so far."""
        self._engine.begin_log(channels)

    def change_stage(self, live: LiveStage) -> None:
        """Go on with another stage, in a log of its own: as if begun here, with nothing known that it does not tell."""
        self.live = live
        self.clock = GpsClock()
        for source in self._sources.values():
            source.fixes = source.fixes.restarted() if source.fixes is not None else None
        self.begin(self._t_us)

    def feed(self, port: str, t_us: int, data: bytes) -> Sequence[CanFrame]:
        """Bytes that arrived on a port at `t_us`. Returns the frames among them, which a poller wants to see."""
        t_us = self._advance(t_us)
        source = self._sources[port]
        assert source.tally is not None  # noqa: S101 - bytes come to a source with a decoder
        batch = source.tally.feed(data, t_us)
        if batch.frames:
            self._heard(batch.frames, t_us)
            self._rows.frame.extend(batch.frames)
            self._engine.feed(batch.frames)
        for sentence in batch.sentences:
            self._sentence(source, sentence)
        self._damage(source, batch)
        return batch.frames

    def capture(self, port: str, data: bytes, at: Callable[[str], int]) -> None:
        """Bytes of a receiver's capture, which has its times within: `at` is the session time at each sentence."""
        source = self._sources[port]
        assert source.decoder is not None  # noqa: S101 - bytes come to a source with a decoder
        batch = source.decoder.feed(data, self._t_us)
        for sentence in batch.sentences:
            self.sentences(port, at(sentence.text), (sentence.text,))
        self._damage(source, batch)

    def frames(self, frames: Sequence[CanFrame]) -> None:
        """Frames that are whole already, out of another log, with the times they have there."""
        t_us = frames[-1].t_us
        self._heard(frames, t_us)
        self.advance(t_us - 1)
        self._rows.frame.extend(frames)
        self._engine.feed(frames)

    def sentences(self, port: str, t_us: int, texts: Sequence[str]) -> None:
        """Sentences that are whole already and arrived together."""
        t_us = self._advance(t_us)
        for text in texts:
            self._sentence(self._sources[port], Sentence(t_us, text))

    def command(self, t_us: int, name: str, arguments: Mapping[str, Any]) -> None:
        """The crew's word. Raises ValueError, one line, when it is wrong or cannot be done now."""
        t_us = self._advance(t_us)
        self.live.command(t_us, name, arguments)
        self._take_events()

    def event(self, t_us: int, kind: str, detail: Mapping[str, Any]) -> None:
        """Something that the caller has to say: a link that came or went, a loss."""
        self._rows.event.append(EventRow(t_us, kind, detail))

    def advance(self, t_us: int) -> None:
        """Nothing stamped before `t_us` is to come any more: the beats up to there happen."""
        while self._beat_us + BEAT_US <= t_us:
            self._beat(self._beat_us + BEAT_US)

    def finish(self, t_us: int) -> None:
        """Nothing is to come any more: ends what is open."""
        self.advance(t_us)
        if t_us > self._beat_us:
            self._beat(t_us)  # what came since the last whole tenth has its readings too
        self.close_epochs()
        self.live.finish()
        self._take_events()

    def close_epochs(self) -> None:
        """No more sentences are to come: makes fixes of those that are there."""
        for source in self._sources.values():
            if source.fixes is not None:
                self._fixes(source, source.fixes.finish())
        self._take_events()

    def take(self) -> Rows:
        """The rows since the last call; they are the caller's now."""
        rows, self._rows = self._rows, Rows()
        return rows

    def evidence(self, port: str) -> Counts:
        """What the bytes of a port have come to so far."""
        tally = self._sources[port].tally
        return NOTHING if tally is None else tally.counts

    def can_age_s(self, t_us: int) -> float | None:
        """Time since the last CAN frame (from the session's begin if none came); None without an adapter."""
        if all(source.fixes is not None for source in self._sources.values()):
            return None
        return (t_us - (self._framed_us or 0)) / 1e6

    def _heard(self, frames: Sequence[CanFrame], t_us: int) -> None:
        """The bus has spoken at `t_us`: with a frame of its own, for an adapter's error frames are no news of it."""
        if any(not frame.can_id & ERR_FLAG for frame in frames):
            self._framed_us = t_us

    def _advance(self, t_us: int) -> int:
        """The time that an input stamped `t_us` is taken to have, with every beat before it done."""
        t_us = max(t_us, self._t_us + 1)
        self.advance(t_us - 1)
        self._t_us = t_us
        return t_us

    def _beat(self, t_us: int) -> None:
        last_us, self._beat_us = self._beat_us, t_us
        self._t_us = max(self._t_us, t_us)
        for source in self._sources.values():
            if source.fixes is not None:
                self._fixes(source, source.fixes.tick(t_us))
        # A frame that took its time on the wire is read in the beat in which it came, not in one that is over.
        made = [r if r.t_us > last_us else r._replace(t_us=last_us + 1) for r in self._engine.tick(t_us)]
        if made:
            self._rows.reading.extend(made)
            self.live.readings(made)
        self.live.tick(t_us)
        if t_us % PROGRESS_EVERY_US == 0:
            self._rows.progress.append(ProgressRow(*self.live.progress_row(t_us)))
            for source in self._sources.values():
                if surplus := source.surplus():
                    self.event(t_us, "not_logged", {"port": source.port, **surplus})
        self._take_events()

    def _take_events(self) -> None:
        for event in self.live.take_events():
            self._rows.event.append(EventRow(*event))

    def _sentence(self, source: Source, sentence: Sentence) -> None:
        self._rows.sentence.append(SentenceRow(sentence.t_us, source.port, sentence.text))
        if source.fixes is not None:
            self._fixes(source, source.fixes.feed(sentence))

    def _fixes(self, source: Source, fixes: Sequence[Fix]) -> None:
        for fix in fixes:
            self._rows.fix.append(fix)
            self.live.fix(fix)
            row = self.clock.feed(fix)
            if row is not None:
                self._rows.clock.append(row)
        assert source.fixes is not None  # noqa: S101 - callers have looked
        for notice in source.fixes.take_notices():
            self._notice(source, notice)

    def _damage(self, source: Source, batch: Batch) -> None:
        for rejected in batch.rejected:
            self._reject(source, rejected)
        for notice in batch.notices:
            self._notice(source, notice)

    def _reject(self, source: Source, rejected: Rejected) -> None:
        if source.allow("rejected", _REJECTED_ROWS_A_S):
            data = rejected.data[:_REJECTED_BYTES_A_ROW]
            self._rows.rejected.append(RejectedRow(rejected.t_us, source.port, rejected.reason, data))

    def _notice(self, source: Source, notice: Notice) -> None:
        if source.allow(notice.kind, _NOTICES_A_S):
            self.event(notice.t_us, notice.kind, {"port": source.port, **notice.detail})
