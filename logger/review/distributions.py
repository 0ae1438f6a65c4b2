"""The samples of a drive as data of its page: from them it draws histograms, scatters, and shares of time in view.

Every weight is a number of seconds. The page counts; what is counted, and between which edges, is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.engine.titles import DRIVE, ENGINE, engine_title, unit_title
from firmware_bridge.records import Channel
from logger.judgement import driving
from logger.judgement.evidence import Floats
from logger.judgement.report import Report
from logger.review.channels import Timeline
from logger.review.packing import column, packed
from logger.stage.fix_speed import STILL_MPS
from logger.stage.limits import KMH
from logger.stage.rules import Rules

MAX_VALUES: Final = 250_000
"""Values of all channels on a page: at most 0.7 MB of its 4 MB. Beyond it the samples are thinned."""
MIN_SAMPLES: Final = 2_000
"""Samples are not thinned below this: a histogram of fewer is noise. Channels are left out instead."""
MAX_CLASSES: Final = 12
"""A channel of at most this many whole values, such as the gear, is shown by value and not by range."""
EXCESS_KMH: Final = (10.0, 20.0, 40.0)
"""Sizes of excess to tell apart, beside the tolerance and the bounds of the rules' penalties."""
MAX_BOUNDS: Final = 8
"""Of more penalty bands than these, the first bounds are told apart; a log may bring thousands."""

SPEED, OVER, DRIVER = "drive.speed_kmh", "drive.over_kmh", "drive.driver"
"""Keys of the channels that are not the engine's."""
NO_COMMON_SAMPLES: Final = (
    "no common samples: throttle and brake were hardly ever read within the same second"
)
"""The driver's card in place of shares, which would be of pedals at different times."""
ENDS: Final = 0.01
"""Colours cover all but this share of the time below and above: a single spike does not make the rest one colour."""


def excess_edges_kmh(rules: Rules) -> list[float]:
    """Edges of the classes of excess over a limit, ascending from 0; the last class has no upper edge."""
    bounds = [band.over_kmh for band in rules.penalties.bands if band.over_kmh is not None]
    return sorted({0.0, rules.speed.tolerance_kmh, *bounds[:MAX_BOUNDS], *EXCESS_KMH})


def sampled(report: Report, timeline: Timeline) -> dict[str, Any] | None:
    """The samples for the page, at seconds of its timeline; None without any."""
    samples = report.samples
    if not len(samples.at):
        return None
    mps = report.places.mps[samples.at]
    channels = [
        _Sampled(SPEED, DRIVE["speed_kmh"].title, "km/h", mps * KMH),
        _Sampled(OVER, "Above the limit", "km/h", excess_kmh(report)),
    ]
    pedals, rule = driving.pedals(samples.channels), ""
    if pedals is not None:
        state = driving.states(pedals, mps, samples.channels, samples.same_second)
        common_s = samples.seconds[np.isfinite(state)].sum()
        if common_s >= min(driving.MIN_COMMON_S, samples.seconds.sum() / 2):
            rule = _driver_rule(pedals)
            channels.append(_Sampled(DRIVER, "Driver", "", state, driving.STATES))
        else:
            rule = NO_COMMON_SAMPLES
    channels += _engine(samples.channels)
    channels = [channel for channel in channels if np.isfinite(channel.values).any()]
    room = MAX_VALUES // MIN_SAMPLES
    kept, seconds = samples.thinned(MAX_VALUES // len(channels[:room]))
    return {
        "s": packed(timeline.seconds(report.evidence.fixes.at_us[samples.at[kept]])),
        "seconds": column(seconds),
        "channels": [channel.document(kept, seconds) for channel in channels[:room]],
        "left_out": len(channels[room:]) + len(samples.left_out),
        "excess_kmh": excess_edges_kmh(report.rules),
        "tolerance_kmh": report.rules.speed.tolerance_kmh,
        "driver_rule": rule,
    }


def excess_kmh(report: Report) -> Floats:
    """Speed above the limit at each sample, negative below it; nan without a limit, and where it is not judged.

    Within an over-speed it counts from that over-speed's limit. Elsewhere more than the tolerance is not judged: in the
    free area of a zone, or between the rows of progress that hold the limit.
    """
    at = report.samples.at
    at_us, kmh = report.evidence.fixes.at_us[at], report.places.mps[at] * KMH
    excess = kmh - report.places.limit_kmh[at]
    excess[excess > report.rules.speed.tolerance_kmh] = np.nan
    for over in report.overspeeds:
        first, last = np.searchsorted(at_us, [over.at_us, over.at_us + over.duration_s * 1e6])
        excess[first:last] = kmh[first:last] - over.limit_kmh
    return excess


class _Sampled(NamedTuple):
    """A channel of the page. `classes` names its values 0, 1, 2 ... if they are not numbers."""

    key: str
    title: str
    unit: str
    values: Floats
    classes: tuple[str, ...] = ()

    def document(self, kept: NDArray[np.intp], seconds: Floats) -> dict[str, Any]:
        """Its data for the page, of the samples `kept`, which stand for `seconds`."""
        values = self.values[kept]
        found = np.unique(values[np.isfinite(values)])
        is_whole = len(found) > 0 and bool((found == np.round(found)).all() and np.ptp(found) < MAX_CLASSES)
        return {
            "key": self.key,
            "title": self.title,
            "unit": self.unit,
            "classes": list(self.classes),
            "whole": is_whole,
            "range": [found[0].item(), found[-1].item()] if is_whole else middle(values, seconds),
            "column": column(values),
        }


def middle(values: Floats, seconds: Floats) -> list[float]:
    """The values below which ENDS of the time lies, and above which ENDS lies; 0 and 1 without values."""
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return [0.0, 1.0]
    order = known[np.argsort(values[known], kind="stable")]
    passed_s = np.cumsum(seconds[order])
    at = np.searchsorted(passed_s, [ENDS * passed_s[-1], (1 - ENDS) * passed_s[-1]])
    low, high = values[order[np.minimum(at, len(order) - 1)]].tolist()
    return [low, high]


def _engine(sampled: Mapping[Channel, NDArray[np.float32]]) -> list[_Sampled]:
    """The engine's channels: those that every car has first, then the others by name."""
    known = {key: number for number, key in enumerate(ENGINE)}
    ordered = sorted(
        sampled, key=lambda channel: (known.get(channel.name, len(known)), channel.name, channel.source)
    )
    channels: dict[str, _Sampled] = {}
    for channel in ordered:
        key, title = f"engine.{channel.name}", engine_title(channel.name)
        if key in channels:  # another source has a channel of this name
            key, title = f"{key} {channel.source}", f"{title}, {channel.source}"
        channels[key] = _Sampled(key, title, unit_title(channel.unit), sampled[channel].astype(np.float64))
    return list(channels.values())


def _driver_rule(pedals: driving.Pedals) -> str:
    """How the driver's state is judged, in one sentence."""
    open_pct = pedals.closed_pct + driving.OPEN_ABOVE_CLOSED_PCT
    return (
        f"throttle: {engine_title(pedals.throttle.name)} above {open_pct:.0f} %; "
        f"brake: {engine_title(pedals.brake.name)} above {pedals.pressed:g} {unit_title(pedals.brake.unit)}; "
        f"standing: below {STILL_MPS * KMH:.1f} km/h; coasting: none of these"
    )
