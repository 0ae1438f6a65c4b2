"""Pipeline from port bytes to rows and live state, sans-I/O: recording, replay and review share it.

Bytes and times go in, `Rows` come out, and the LiveStage `live` is updated with them. Rule 1: time never runs back;
input stamped before the last one counts as just after it. Rule 2: ten times per second, at whole tenths of a second of
the session, there is a beat; engine readings, the end of an epoch by a pause, alarms and the progress row happen only
at beats. So the rows alone give the order of events, and the replay of a log computes exactly the progress that the
crew saw.

Damaged input is kept as evidence up to a rate limit and counted beyond it: a loose connector must not fill the card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from firmware_bridge.devices.evidence import NOTHING, Counts
from firmware_bridge.record_columns import Batch, FrameColumns, ReadingColumns
from firmware_bridge.records import ERR_FLAG, CanFrame, Channel, Fix, Notice, Rejected, Sentence
from logger.logfile.rows import EventRow, ProgressRow, RejectedRow, Rows, SentenceRow
from logger.recorder.clock import GpsClock
from logger.recorder.sources import NOTICES_PER_S, REJECTED_ROWS_PER_S, Engine, Source
from logger.stage.live_stage import LiveStage

BEAT_US = 100_000
"""Ten beats per second: the rate of the engine readings."""
PROGRESS_EVERY_US = 1_000_000
"""The progress is logged once per second."""
_REJECTED_BYTES_PER_ROW = 256
"""Bytes kept of one damaged piece: a whole sentence or several frames."""


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
        self._last_frame_us: int | None = None

    @property
    def t_us(self) -> int:
        """The session time reached so far."""
        return self._t_us

    @property
    def next_beat_us(self) -> int:
        """When the next beat is due."""
        return self._beat_us + BEAT_US

    def begin(self, t_us: int) -> None:
        """Begin at `t_us`: no input is older. The log of this stage begins there, later than its session."""
        self._t_us, self._beat_us = t_us, t_us // BEAT_US * BEAT_US
        self.live.begin(t_us)

    def begin_log(self, channels: Iterable[Channel]) -> None:
        """Direct the rows into a log that has these channels so far."""
        self._engine.begin_log(channels)

    def change_stage(self, live: LiveStage) -> None:
        """Continue with another stage in its own log, as if recording began now: no earlier state remains."""
        self.live = live
        self.clock = GpsClock()
        for source in self._sources.values():
            source.fixes = source.fixes.restarted() if source.fixes is not None else None
        self.begin(self._t_us)

    def feed(self, port: str, t_us: int, data: bytes) -> FrameColumns:
        """Take bytes that arrived on a port at `t_us`. Returns the frames among them, for a poller."""
        t_us = self._advance(t_us)
        source = self._sources[port]
        assert source.tally is not None  # noqa: S101 - only a source with a decoder gets bytes
        batch = source.tally.feed(data, t_us)
        if batch.frames:
            self._note_frames(batch.frames, t_us)
            self._rows.frame.extend(batch.frames)
            self._engine.feed(batch.frames)
        for sentence in batch.sentences:
            self._sentence(source, sentence)
        self._damage(source, batch)
        return batch.frames

    def capture(self, port: str, data: bytes, at: Callable[[str], int]) -> None:
        """Take bytes of a receiver's capture, timed by the sentences: `at` returns the session time of each."""
        source = self._sources[port]
        assert source.decoder is not None  # noqa: S101 - only a source with a decoder gets bytes
        batch = source.decoder.feed(data, self._t_us)
        for sentence in batch.sentences:
            self.sentences(port, at(sentence.text), (sentence.text,))
        self._damage(source, batch)

    def frames(self, frames: Sequence[CanFrame]) -> None:
        """Take whole frames from another log, with the times they have there."""
        columns = FrameColumns.of(frames)
        t_us = columns.times_us[-1]
        self._note_frames(columns, t_us)
        self.advance(t_us - 1)
        self._rows.frame.extend(columns)
        self._engine.feed(columns)

    def sentences(self, port: str, t_us: int, texts: Sequence[str]) -> None:
        """Take whole sentences that arrived together."""
        t_us = self._advance(t_us)
        for text in texts:
            self._sentence(self._sources[port], Sentence(t_us, text))

    def command(self, t_us: int, name: str, arguments: Mapping[str, Any]) -> None:
        """Run a command of the crew. Raises ValueError, one line, if it is wrong or not possible now."""
        t_us = self._advance(t_us)
        self.live.command(t_us, name, arguments)
        self._take_events()

    def event(self, t_us: int, kind: str, detail: Mapping[str, Any]) -> None:
        """Log an event of the caller: a link that opened or failed, a loss."""
        self._rows.event.append(EventRow(t_us, kind, detail))

    def advance(self, t_us: int) -> None:
        """Run the beats up to `t_us`: no older input will come."""
        while self.next_beat_us <= t_us:
            self._beat(self.next_beat_us)

    def finish(self, t_us: int) -> None:
        """End the input at `t_us`: ends open sections and epochs."""
        self.advance(t_us)
        if t_us > self._beat_us:
            self._beat(t_us)  # the input since the last whole tenth has readings too
        self.close_epochs()
        self.live.finish()
        self._take_events()

    def close_epochs(self) -> None:
        """Make fixes of the sentences so far: no more will come."""
        for source in self._sources.values():
            if source.fixes is not None:
                self._fixes(source, source.fixes.finish())
        self._take_events()

    def take(self) -> Rows:
        """Take the rows since the last call; the caller owns them."""
        rows, self._rows = self._rows, Rows()
        return rows

    def evidence(self, port: str) -> Counts:
        """Counts of good and damaged input of a port so far."""
        tally = self._sources[port].tally
        return NOTHING if tally is None else tally.counts

    def is_gps(self, port: str) -> bool:
        """Whether a port is a receiver's."""
        return self._sources[port].fixes is not None

    def is_stamped(self, port: str) -> bool:
        """Whether the frames of a port carry the times of its device."""
        decoder = self._sources[port].decoder
        return decoder is not None and decoder.is_stamped

    def can_age_s(self, t_us: int) -> float | None:
        """Time since the last CAN frame, or since the session's start without one; None without an adapter."""
        if all(source.fixes is not None for source in self._sources.values()):
            return None
        return (t_us - (self._last_frame_us or 0)) / 1e6

    def _note_frames(self, frames: FrameColumns, t_us: int) -> None:
        """Note the time of frames from the bus; an adapter's own error frames are no bus traffic."""
        for can_id in frames.ids:
            if not can_id & ERR_FLAG:
                self._last_frame_us = t_us
                return

    def _advance(self, t_us: int) -> int:
        """The effective time of input stamped `t_us`, after running every beat before it."""
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
        # A frame that was long on the wire counts in the beat in which it arrived, not in an earlier one.
        readings = ReadingColumns.of(self._engine.tick(t_us))
        if readings:
            if min(readings.times_us) <= last_us:
                readings.times_us = [max(reading_us, last_us + 1) for reading_us in readings.times_us]
            self._rows.reading.extend(readings)
            self.live.readings(readings)
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
        assert source.fixes is not None  # noqa: S101 - checked by the callers
        for notice in source.fixes.take_notices():
            self._notice(source, notice)

    def _damage(self, source: Source, batch: Batch) -> None:
        for rejected in batch.rejected:
            self._reject(source, rejected)
        for notice in batch.notices:
            self._notice(source, notice)

    def _reject(self, source: Source, rejected: Rejected) -> None:
        if source.allow("rejected", REJECTED_ROWS_PER_S):
            data = rejected.data[:_REJECTED_BYTES_PER_ROW]
            self._rows.rejected.append(RejectedRow(rejected.t_us, source.port, rejected.reason, data))

    def _notice(self, source: Source, notice: Notice) -> None:
        if source.allow(notice.kind, NOTICES_PER_S):
            self.event(notice.t_us, notice.kind, {"port": source.port, **notice.detail})
