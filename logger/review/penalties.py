"""Compute penalties for over-speeds and missed waypoints under each published model.

Pure functions of over-speeds, waypoints and rules; all numbers come from the rules file. The models:

    bands       the largest excess selects a band, whose penalty is charged per impulse. From the fourth impulse
                (`repeat_from`) of one over-speed in the highest band the penalty is at least `repeat_penalty_s`.
    rallysafe   factor x (metres gained over the limit / the limit in m/s): the time gained, times ten
    rallycheck  charged only if the speed is above the limit by a share for longer than a time without a break;
                the model defines no amount, so the band's penalty is charged once
    over_time   largest excess (km/h) x time over the limit x factor; over-speeds less than a few seconds apart
                count as one
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from logger.stage.limits import KMH
from logger.stage.rules import Band, Missed, Penalties

MODELS = {
    "bands": "bands",
    "banded": "bands",
    "rallysafe": "rallysafe",
    "rallycheck": "rallycheck",
    "over_time": "over_time",
    "overtime": "over_time",
}
"""Accepted model names, and the name in a rules file."""


class Overspeed(NamedTuple):
    """An over-speed as evidence. `gained_m` is the extra distance compared with the limit; `sustained_s` is the longest
    continuous time above the limit by Rallycheck's share. `km` counts within the section."""

    section: int
    zone: str | None
    km: float
    at_us: int
    duration_s: float
    distance_m: float
    max_kmh: float
    limit_kmh: float
    impulses: int
    gained_m: float
    sustained_s: float
    uncertainty_kmh: float = 0.0
    """Uncertainty of the speed; 0 if the receiver measured it."""

    @property
    def proven(self) -> bool:
        """Whether the excess is larger than the uncertainty."""
        return self.over_kmh > self.uncertainty_kmh

    @property
    def over_kmh(self) -> float:
        """The largest excess, rounded to 0.1 km/h like the speeds."""
        return round(self.max_kmh - self.limit_kmh, 1)


def charged(overspeeds: Sequence[Overspeed], rules: Penalties) -> list[float]:
    """Penalty of each over-speed in seconds. Of several that count as one, the first carries the penalty."""
    if rules.model == "over_time":
        return _over_time(overspeeds, rules)
    cost: dict[str, Callable[[Overspeed, Penalties], float]] = {
        "bands": _banded,
        "rallysafe": _rallysafe,
        "rallycheck": _rallycheck,
    }
    return [round(cost[rules.model](over, rules), 3) for over in overspeeds]


def missed_s(kind: str, missed: Missed) -> float:
    """Penalty in seconds for a missed waypoint of a kind."""
    return {"wpn": missed.wpn_s, "wpp": missed.wpp_s}.get(kind, missed.default_s)


def _band(over_kmh: float, bands: Sequence[Band]) -> Band | None:
    """The band of an excess; the last band beyond its end."""
    if not bands or over_kmh <= 0:
        return None
    return next((band for band in bands if band.over_kmh is None or over_kmh <= band.over_kmh), bands[-1])


def _banded(over: Overspeed, rules: Penalties) -> float:
    band = _band(over.over_kmh, rules.bands)
    if band is None:
        return 0.0
    cost = band.penalty_s * max(1, over.impulses)
    if band is rules.bands[-1] and over.impulses >= rules.repeat_from:
        return max(cost, rules.repeat_penalty_s)
    return cost


def _rallysafe(over: Overspeed, rules: Penalties) -> float:
    return rules.rallysafe_factor * over.gained_m / (over.limit_kmh / KMH)


def _rallycheck(over: Overspeed, rules: Penalties) -> float:
    band = _band(over.over_kmh, rules.bands)
    return band.penalty_s if band is not None and over.sustained_s > rules.rallycheck_s else 0.0


def _over_time(overspeeds: Sequence[Overspeed], rules: Penalties) -> list[float]:
    costs = [0.0] * len(overspeeds)
    for members in _merged(overspeeds, rules.over_time_merge_s):
        largest_kmh = max(overspeeds[index].over_kmh for index in members)
        seconds = sum(overspeeds[index].duration_s for index in members)
        costs[members[0]] = round(largest_kmh * seconds * rules.over_time_factor, 3)
    return costs


def _merged(overspeeds: Sequence[Overspeed], within_s: float) -> list[list[int]]:
    """Indices of over-speeds that count as one: same limit, less than `within_s` apart."""
    groups: list[list[int]] = []
    for index, over in enumerate(overspeeds):
        before = overspeeds[groups[-1][-1]] if groups else None
        if before is not None:
            apart_s = (over.at_us - before.at_us) / 1e6 - before.duration_s
            same = (over.section, over.zone, over.limit_kmh) == (
                before.section,
                before.zone,
                before.limit_kmh,
            )
            if same and apart_s < within_s:
                groups[-1].append(index)
                continue
        groups.append([index])
    return groups
