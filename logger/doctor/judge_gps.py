"""Judging the GPS receiver by its fixes: does it see the sky, how well, how often; and the system's clock beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from firmware_bridge.records import Fix
from logger.doctor.findings import Finding, note, ok, wrong
from logger.doctor.port_observation import Heard

FEW_SATELLITES = 6
"""Four make a position; with fewer than six one behind a hill costs it."""
POOR_HDOP = 2.5
"""Beyond this metres become tens of metres: a waypoint's radius may be missed."""
SLOW_HZ = 1.5
"""Receivers start with one fix a second; at 170 km/h that is 47 m between two."""
CLOCK_S = 2.0
"""A system clock this far off shows in file times and in whatever else the machine does by the clock."""


def judge(heard: Heard) -> Iterator[Finding]:
    """What is to be said of the receiver behind a port that speaks NMEA."""
    where = f"gps {heard.name}"
    if heard.good == 0:
        return  # what is wrong with the port has been said
    if heard.fixes is None:
        yield note(where, "sentences come; what they tell is not known, for no new row was read")
        return
    if not heard.fixes:
        what = "sentences come, but none that makes a fix"
        yield wrong(where, what, "have the receiver send RMC and GGA (its own program, or a line of `init`)")
        return
    placed = [fix for fix in heard.fixes if fix.quality and fix.lat is not None]
    if not placed:
        seen = max((fix.satellites or 0 for fix in heard.fixes), default=0)
        sky = f"{seen} satellites in use" if seen else "no satellite in use"
        yield wrong(
            where, f"no position yet ({sky})", "give the antenna a clear sky; a cold start takes a minute"
        )
        return
    yield from _quality(heard.fixes, where)
    rate_hz = _rate_hz(heard.fixes, heard.seconds)
    if rate_hz < SLOW_HZ:
        hint = 'ask it for more, such as init = ["$PMTK220,100*2F"] for an MTK receiver'
        yield note(where, f"{rate_hz:.1f} fixes a second", hint)
    else:
        yield ok(where, f"{rate_hz:.1f} fixes a second")
    if any(not fix.date_ok for fix in heard.fixes):
        what = "its date cannot be true (week rollover): positions are good, times are not used"
        yield wrong(where, what, "update the receiver's firmware, or take another")


def judge_clock(offset_s: float | None, *, has_rtc: bool) -> Finding:
    """The system's clock beside that of GPS; `offset_s` is how far it is ahead, None if GPS has told no time."""
    battery = "there is a battery clock" if has_rtc else "there is no battery clock, as on any bare Pi"
    if offset_s is None:
        return note("clock", f"GPS has told no time to hold the system's against; {battery}")
    if abs(offset_s) > CLOCK_S:
        what = f"the system's is {_span(abs(offset_s))} {'ahead of' if offset_s > 0 else 'behind'} GPS; {battery}"
        return note("clock", f"{what}; logs take their time from GPS and are not touched by it")
    return ok("clock", f"the system's agrees with GPS to {abs(offset_s):.1f} s; {battery}")


def _rate_hz(fixes: Sequence[Fix], seconds: float) -> float:
    """By the fixes' own times: how many were told in `seconds` depends on when they were written."""
    span_s = (fixes[-1].t_us - fixes[0].t_us) / 1e6
    return (len(fixes) - 1) / span_s if span_s > 0 else len(fixes) / seconds if seconds else 0.0


def _quality(fixes: Sequence[Fix], where: str) -> Iterator[Finding]:
    placed = [fix for fix in fixes if fix.quality and fix.lat is not None]
    share = len(placed) / len(fixes)
    satellites = [fix.satellites for fix in placed if fix.satellites is not None]
    hdops = [fix.hdop for fix in placed if fix.hdop is not None]
    seen = median(satellites) if satellites else None
    hdop = median(hdops) if hdops else None
    words = [
        f"{seen:g} satellites" if seen is not None else "",
        f"hdop {hdop:.1f}" if hdop is not None else "",
    ]
    what = ", ".join(["position", *filter(None, words)])
    hint = "give the antenna a clear sky, away from the roll cage and from other antennas"
    if share < 1.0:
        yield wrong(where, f"{what}, but only in {share:.0%} of the fixes", hint)
    elif (seen is not None and seen < FEW_SATELLITES) or (hdop is not None and hdop > POOR_HDOP):
        yield wrong(where, f"{what}: poor", hint)
    else:
        yield ok(where, what)


def _span(seconds: float) -> str:
    for size, unit in ((31_557_600, "years"), (86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
