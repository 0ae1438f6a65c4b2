"""Explain a charge: the arithmetic of the rules in one sentence, with the numbers that the charge was computed from."""

from __future__ import annotations

from collections.abc import Callable

from logger.review.penalties import Charge, Overspeed
from logger.review.terminal import penalty_text
from logger.stage.limits import KMH
from logger.stage.rules import Penalties, Rules, SpeedRules


def sentence(over: Overspeed, charge: Charge, rules: Rules) -> str:
    """Why an over-speed costs what it costs."""
    impulses = "1 impulse" if over.impulses == 1 else f"{over.impulses} impulses"
    limit = f"{over.limit_kmh:g} km/h (+{rules.speed.tolerance_kmh:g} km/h tolerance)"
    excess = f"{over.max_kmh:.1f} - {over.limit_kmh:g} = {over.over_kmh:.1f} km/h"
    cost = penalty_text(charge.penalty_s) if charge.penalty_s else "no penalty"
    highest = f"the highest {over.max_kmh:.1f} km/h: {excess}"
    return f"{impulses} over {limit}, {highest}, {priced(over, charge, rules.penalties)}: {cost}"


def priced(over: Overspeed, charge: Charge, rules: Penalties) -> str:
    """How the model makes a penalty of an over-speed, without excess and result."""
    return _PRICED[rules.model](over, charge, rules)


def impulse_rule(rules: SpeedRules) -> str:
    """When an over-speed begins and when it counts an impulse."""
    return (
        f"An over-speed begins above the limit + {rules.tolerance_kmh:g} km/h and ends at the limit. Its first impulse"
        f" is at its begin; the next ones follow every {rules.impulse_s:g} s or {rules.impulse_m:g} m, whichever comes"
        " first."
    )


def _band(charge: Charge) -> str:
    if charge.band is None:
        return "no band"
    if charge.band.over_kmh is None or charge.over_kmh > charge.band.over_kmh:
        return f"band above {charge.above_kmh:g} km/h"
    if not charge.above_kmh:
        return f"band up to {charge.band.over_kmh:g} km/h"
    return f"band above {charge.above_kmh:g} up to {charge.band.over_kmh:g} km/h"


def _by_bands(over: Overspeed, charge: Charge, rules: Penalties) -> str:
    if charge.band is None:
        return "no band"
    product = f"{_band(charge)}, {charge.times} x {penalty_text(charge.band.penalty_s)}"
    if charge.repeated:
        return f"{product}, but at least {penalty_text(rules.repeat_penalty_s)} from {rules.repeat_from} impulses"
    return product


def _by_rallysafe(over: Overspeed, charge: Charge, rules: Penalties) -> str:
    gained = f"{over.gained_m:.1f} m gained over the limit / {over.limit_kmh / KMH:.3f} m/s"
    return f"{gained} x {rules.rallysafe_factor:g}"


def _by_rallycheck(over: Overspeed, charge: Charge, rules: Penalties) -> str:
    above = f"above {over.limit_kmh * (1 + rules.rallycheck_share):g} km/h (+{rules.rallycheck_share:.0%})"
    lasted = f"{over.sustained_s:g} s without a break {above}"
    if over.sustained_s <= rules.rallycheck_s:
        return f"{lasted}, not more than {rules.rallycheck_s:g} s"
    return f"{lasted}, more than {rules.rallycheck_s:g} s, {_band(charge)} once"


def _by_time(over: Overspeed, charge: Charge, rules: Penalties) -> str:
    apart = f"less than {rules.over_time_merge_s:g} s apart"
    if charge.counts_with is not None:
        return f"counts as one with the over-speed before it, {apart}: the penalty is there"
    product = f"{charge.over_kmh:.1f} km/h x {charge.over_s:.2f} s x {rules.over_time_factor:g}"
    if charge.times > 1:
        return f"counts as one with the next {charge.times - 1}, {apart}: the largest excess x all time, {product}"
    return product


_PRICED: dict[str, Callable[[Overspeed, Charge, Penalties], str]] = {
    "bands": _by_bands,
    "rallysafe": _by_rallysafe,
    "rallycheck": _by_rallycheck,
    "over_time": _by_time,
}
