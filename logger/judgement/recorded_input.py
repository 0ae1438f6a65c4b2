"""Recorded fixes and readings as input of the pipeline: the evidence of a log, computed again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from firmware_bridge.gps.dating import Dates
from firmware_bridge.records import Fix, Notice, Reading, Sentence
from logger.judgement.evidence import Evidence
from logger.logfile.reader import channels_of
from logger.logfile.session_rows import SessionRows
from logger.stage.live_stage import WHEEL_CHANNELS, LiveStage


class RecordedFixes:
    """Recorded fixes as a `pipeline.FixSource`: each is returned at the first tick after it."""

    def __init__(self, fixes: Iterable[Fix]) -> None:
        self._recorded = iter(fixes)
        self._next = next(self._recorded, None)

    def tick(self, t_us: int) -> list[Fix]:
        """Return the fixes up to a tick."""
        fixes = []
        while self._next is not None and self._next.t_us <= t_us:
            fixes.append(self._next)
            self._next = next(self._recorded, None)
        return fixes

    def feed(self, sentence: Sentence) -> list[Fix]:
        """Return none: the fixes are recorded already."""
        return []

    def finish(self) -> list[Fix]:
        """Return the remaining fixes."""
        return self.tick(1 << 62)

    def take_notices(self) -> list[Notice]:
        """Return none: notices are among the recorded events."""
        return []

    def restarted(self) -> RecordedFixes:
        """Return itself: it holds only fixes not yet returned."""
        return self


def fixes_of(evidence: Evidence, session: int) -> Iterator[Fix]:
    """Yield the recorded fixes of a session."""
    fixes = evidence.fixes
    here = fixes.session == session
    dates = Dates.of(evidence.meta.get("written"))
    columns = [fixes.t_us, *fixes[3:]]
    for t_us, utc, lat, lon, alt_m, mps, course_deg, quality, satellites, hdop in zip(
        *([value if value == value else None for value in column[here].tolist()] for column in columns),  # noqa: PLR0124
        strict=True,
    ):
        utc_us = None if utc is None else int(utc)
        yield Fix(
            int(t_us),
            utc_us,
            *(lat, lon, alt_m, mps, course_deg),
            int(quality or 0),
            None if satellites is None else int(satellites),
            hdop,
            utc_us is None or dates.can_be(utc_us),
        )


def readings_of(rows: SessionRows | None, session: int, live: LiveStage) -> Iterator[Reading]:
    """Yield a session's wheel speeds, and the channels that the alarms need."""
    if rows is None:
        return
    names = WHEEL_CHANNELS.keys() | live.alarms.names
    channels = {
        number: channel for number, channel in channels_of(rows.connection).items() if channel.name in names
    }
    if not channels:
        return
    readings = rows.connection.cursor().execute(
        "SELECT t_us, channel, value FROM reading"  # noqa: S608 - numbers
        f" WHERE {rows.condition('reading', session)} AND channel IN ({', '.join(map(str, channels))})"
        " AND typeof(t_us) = 'integer' AND typeof(value) IN ('integer', 'real') ORDER BY rowid"
    )
    for t_us, number, value in readings:
        if math.isfinite(value):
            yield Reading(t_us, channels[number], value)
