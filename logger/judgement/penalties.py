"""Compute penalties for over-speeds and missed waypoints under each published model.

Pure functions of over-speeds, waypoints and rules; all numbers come from the rules file. A `Charge` keeps the numbers
that its penalty was computed from, so that `explanation` can show the arithmetic without repeating it. The models:

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


class Charge(NamedTuple):
    """The penalty of an over-speed under one model, and the numbers that it was computed from."""

    penalty_s: float
    over_kmh: float
    """The excess that counts: with `over_time` the largest of the over-speeds that count as one."""
    band: Band | None = None
    above_kmh: float = 0.0
    """Where the band begins: the end of the one below."""
    times: int = 1
    """How often the band's penalty is charged."""
    repeated: bool = False
    """Whether the rules' repeat penalty takes the place of that sum."""
    over_s: float = 0.0
    """Time over the limit, with `over_time` of all over-speeds that count as one."""
    counts_with: int | None = None
    """Index of the earlier over-speed that carries the penalty of this one."""


def charges_of(overspeeds: Sequence[Overspeed], rules: Penalties) -> list[Charge]:
    """The charge of each over-speed. Of several that count as one, the first carries the penalty."""
    if rules.model == "over_time":
        return _over_time(overspeeds, rules)
    charge: dict[str, Callable[[Overspeed, Penalties], Charge]] = {
        "bands": _banded,
        "rallysafe": _rallysafe,
        "rallycheck": _rallycheck,
    }
    return [charge[rules.model](over, rules) for over in overspeeds]


def missed_s(kind: str, missed: Missed) -> float:
    """Penalty in seconds for a missed waypoint of a kind."""
    return {"wpn": missed.wpn_s, "wpp": missed.wpp_s}.get(kind, missed.default_s)


def _in_band(over_kmh: float, bands: Sequence[Band]) -> Charge:
    """A charge with the band of an excess, the last one beyond its end; no band for none."""
    if not bands or over_kmh <= 0:
        return Charge(0.0, over_kmh)
    above_kmh = 0.0
    for band in bands:
        if band.over_kmh is None or over_kmh <= band.over_kmh:
            return Charge(band.penalty_s, over_kmh, band, above_kmh)
        above_kmh = band.over_kmh
    return Charge(bands[-1].penalty_s, over_kmh, bands[-1], above_kmh)


def _banded(over: Overspeed, rules: Penalties) -> Charge:
    charge = _in_band(over.over_kmh, rules.bands)
    if charge.band is None:
        return charge
    times = max(1, over.impulses)
    cost_s = charge.band.penalty_s * times
    repeats = charge.band is rules.bands[-1] and over.impulses >= rules.repeat_from
    repeated = repeats and rules.repeat_penalty_s > cost_s
    return charge._replace(
        penalty_s=round(rules.repeat_penalty_s if repeated else cost_s, 3), times=times, repeated=repeated
    )


def _rallysafe(over: Overspeed, rules: Penalties) -> Charge:
    cost_s = rules.rallysafe_factor * over.gained_m / (over.limit_kmh / KMH)
    return Charge(round(cost_s, 3), over.over_kmh)


def _rallycheck(over: Overspeed, rules: Penalties) -> Charge:
    charge = _in_band(over.over_kmh, rules.bands)
    return charge if over.sustained_s > rules.rallycheck_s else charge._replace(penalty_s=0.0)


def _over_time(overspeeds: Sequence[Overspeed], rules: Penalties) -> list[Charge]:
    charges: list[Charge] = []
    for members in _merged(overspeeds, rules.over_time_merge_s):
        largest_kmh = max(overspeeds[index].over_kmh for index in members)
        over_s = sum(overspeeds[index].duration_s for index in members)
        cost_s = round(largest_kmh * over_s * rules.over_time_factor, 3)
        charges.append(Charge(cost_s, largest_kmh, times=len(members), over_s=over_s))
        charges += [Charge(0.0, overspeeds[index].over_kmh, counts_with=members[0]) for index in members[1:]]
    return charges


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
