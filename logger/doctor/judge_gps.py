"""Judge the GPS receiver by its fixes (position, quality, rate), and the system clock against GPS time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from firmware_bridge.records import Fix
from logger.doctor.findings import Finding, note, ok, wrong
from logger.doctor.port_observation import PortObservation

FEW_SATELLITES = 6
"""Four make a position; with fewer than six, losing one behind a hill can lose the position."""
POOR_HDOP = 2.5
"""Above this the position error grows from metres to tens of metres: a waypoint's radius may be missed."""
SLOW_HZ = 1.5
"""The default of receivers is 1 Hz; at 170 km/h that is 47 m between two fixes."""
CLOCK_S = 2.0
"""An error this large is visible in file times and in scheduled jobs."""


def judge(port: PortObservation) -> Iterator[Finding]:
    """Findings about the receiver behind an NMEA port."""
    where = f"gps {port.name}"
    if port.good == 0:
        return  # the port's finding has the reason
    if port.fixes is None:
        yield note(where, "sentences arrive; their fixes are not known, because no new row could be read")
        return
    if not port.fixes:
        what = "sentences arrive, but they make no fix"
        yield wrong(
            where, what, "make the receiver send RMC and GGA (with its own program, or a line of `init`)"
        )
        return
    placed = [fix for fix in port.fixes if fix.quality and fix.lat is not None]
    if not placed:
        seen = max((fix.satellites or 0 for fix in port.fixes), default=0)
        sky = f"{seen} satellites in use" if seen else "no satellite in use"
        yield wrong(
            where, f"no position yet ({sky})", "give the antenna a clear sky; a cold start takes a minute"
        )
        return
    yield from _quality(port.fixes, where)
    rate_hz = _rate_hz(port.fixes, port.seconds)
    if rate_hz < SLOW_HZ:
        hint = 'set a higher rate, such as init = ["$PMTK220,100*2F"] for an MTK receiver'
        yield note(where, f"{rate_hz:.1f} fixes/s", hint)
    else:
        yield ok(where, f"{rate_hz:.1f} fixes/s")
    if any(not fix.date_ok for fix in port.fixes):
        what = "its date is wrong (week rollover): positions are good, times are not used"
        yield wrong(where, what, "update the receiver's firmware, or replace the receiver")


def judge_clock(offset_s: float | None, *, has_rtc: bool) -> Finding:
    """Compare the system clock with GPS; `offset_s` is how far it is ahead, None without GPS time."""
    battery = "there is a battery clock" if has_rtc else "there is no battery clock, as on any bare Pi"
    if offset_s is None:
        return note("clock", f"no GPS time to compare the system clock with; {battery}")
    if abs(offset_s) > CLOCK_S:
        what = f"the system clock is {_span(abs(offset_s))} {'ahead of' if offset_s > 0 else 'behind'} GPS; {battery}"
        return note("clock", f"{what}; logs take their time from GPS and are not affected")
    return ok("clock", f"the system clock agrees with GPS to {abs(offset_s):.1f} s; {battery}")


def _rate_hz(fixes: Sequence[Fix], seconds: float) -> float:
    """Fix rate from the fixes' own times: the number received in `seconds` depends on when they were written."""
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
