"""Sample a drive: instants on the road, the seconds that each stands for, and the newest value of every channel there.

All channels are sampled at the same instants, so that two of them can be compared, and a share of the samples'
seconds is a share of time whatever the rate of the receiver. Instants are fixes, evenly thinned; near an over-speed
every fix is kept. Engine values arrive as the stream that `engine` reads anyway, recorded or decoded.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.engine.titles import ENGINE
from firmware_bridge.records import Channel
from logger.export.as_of_join import OLDEST_US
from logger.judgement.evidence import Evidence, Fixes, Floats
from logger.judgement.penalties import Overspeed
from logger.judgement.places import NO_RUN, Places
from logger.judgement.runs import Day
from logger.logfile.selection import Integers
from logger.stage.odometer import BLINK_US

MAX_SAMPLES = 20_000
"""Samples of one drive: two per second of a three-hour stage, more than twenty per column of a histogram's bin."""
AROUND_S = 20.0
"""All fixes within this time before and after an over-speed are kept."""
MAX_VALUE = float(np.finfo(np.float32).max)
"""A signal may hold any double; beyond the range of 32 bits it is unknown here."""
SAME_SECOND_US = 1_000_000
"""Two channels show one moment where the value of each is at most this old: a foot changes pedals in half a second."""
MAX_CHANNELS = 200
"""Channels sampled beside the known ones, which bounds memory to 20 MB; the first ones on the bus."""


def on_road(evidence: Evidence, places: Places, day: Day) -> NDArray[np.int64]:
    """Indices of the fixes with a position, a distance and a speed, within a section if the day has any."""
    usable = evidence.fixes.located & np.isfinite(places.metres) & np.isfinite(places.mps)
    if day.sections:
        usable &= places.run != NO_RUN
    return np.flatnonzero(usable)


def near_overspeeds(at_us: Floats, overspeeds: Iterable[Overspeed]) -> NDArray[np.bool_]:
    """Mask of the instants within `AROUND_S` of an over-speed."""
    near = np.zeros(len(at_us), dtype=bool)
    margin_us = AROUND_S * 1e6
    for over in overspeeds:
        near |= (at_us >= over.at_us - margin_us) & (at_us <= over.at_us + over.duration_s * 1e6 + margin_us)
    return near


class Samples:
    """The samples of a drive.

    `at` are indices of fixes, in order; `seconds` is the time that each stands for. The time between two fixes belongs
    half to each; longer than BLINK_US, nothing is known of it, and it belongs to none.
    """

    def __init__(self, fixes: Fixes, road: NDArray[np.int64], near: NDArray[np.bool_]) -> None:
        """`road` are the fixes to sample; `near` marks those of them that are kept in any case."""
        between_us = np.diff(fixes.at_us[road])
        known_s = np.cumsum(np.where(between_us <= BLINK_US, between_us, 0.0)) / 1e6
        kept = _spread(near, MAX_SAMPLES)
        self.at = road[kept]
        self._near, self._known_s = near[kept], np.concatenate([[0.0], known_s])[kept]
        self.seconds = _seconds(self._known_s)
        self.channels: dict[Channel, NDArray[np.float32]] = {}
        """The newest value of each channel at or before each sample, at most OLDEST_US old; nan if there is none."""
        self.same_second: dict[Channel, NDArray[np.bool_]] = {}
        """Of each channel, where that value is at most SAME_SECOND_US old."""
        self.left_out: set[Channel] = set()
        """Channels beyond MAX_CHANNELS."""
        self._order = np.lexsort((fixes.t_us[self.at], fixes.session[self.at]))
        self._session = fixes.session[self.at][self._order]
        self._t_us = fixes.t_us[self.at][self._order]

    def thinned(self, most: int) -> tuple[NDArray[np.intp], Floats]:
        """Numbers of about `most` of the samples, and the seconds that each then stands for."""
        kept = _spread(self._near, most)
        return kept, _seconds(self._known_s[kept])

    def take(self, channel: Channel, session: Integers, t_us: Integers, value: Floats) -> None:
        """Sample consecutive values of a channel, in order of time; later calls bring later values."""
        if channel not in self.channels:
            if len(self.channels) >= MAX_CHANNELS and channel.name not in ENGINE:
                self.left_out.add(channel)
                return
            self.channels[channel] = np.full(len(self.at), np.nan, dtype=np.float32)
            self.same_second[channel] = np.zeros(len(self.at), dtype=bool)
        known = np.abs(value) <= MAX_VALUE  # not nan either
        session, t_us, value = session[known], t_us[known], value[known]
        begins = np.flatnonzero(np.diff(session, prepend=-1))
        for first, last in zip(begins, np.append(begins, len(session))[1:], strict=True):
            self._take_of_session(channel, int(session[first]), t_us[first:last], value[first:last])

    def _take_of_session(self, channel: Channel, session: int, t_us: Integers, value: Floats) -> None:
        first, last = np.searchsorted(self._session, [session, session + 1])
        instants = self._t_us[first:last]
        begin = first + np.searchsorted(instants, t_us[0])
        end = first + np.searchsorted(instants, t_us[-1] + OLDEST_US, side="right")
        instants = self._t_us[begin:end]
        newest = np.searchsorted(t_us, instants, side="right") - 1
        age_us = instants - t_us[newest]
        fresh = (newest >= 0) & (age_us <= OLDEST_US)
        at = self._order[begin:end][fresh]
        self.channels[channel][at] = value[newest[fresh]]
        self.same_second[channel][at] = age_us[fresh] <= SAME_SECOND_US


def samples_of(evidence: Evidence, places: Places, day: Day, overspeeds: Iterable[Overspeed]) -> Samples:
    """The samples of a drive, still without channels."""
    road = on_road(evidence, places, day)
    return Samples(evidence.fixes, road, near_overspeeds(evidence.fixes.at_us[road], overspeeds))


def no_samples(evidence: Evidence) -> Samples:
    """None of a drive's fixes."""
    return Samples(evidence.fixes, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool))


def _spread(near: NDArray[np.bool_], most: int) -> NDArray[np.intp]:
    """Indices of `most` evenly spread instants, the first and the last among them, and of those `near` unless they are
    more still."""
    kept = np.zeros(len(near), dtype=bool)
    kept[np.linspace(0, len(near) - 1, min(most, len(near))).round().astype(np.intp)] = True
    if np.count_nonzero(near) <= most:
        kept |= near
    return np.flatnonzero(kept)


def _seconds(known_s: Floats) -> Floats:
    """The time of each instant: half of that to each neighbour. `known_s` counts through the drive."""
    if not len(known_s):
        return known_s
    half_s = np.diff(known_s) / 2
    return np.asarray(np.concatenate([[0.0], half_s]) + np.concatenate([half_s, [0.0]]))
