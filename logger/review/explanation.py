"""Explain a charge: the arithmetic of the rules in one sentence, with the numbers that the charge was computed from."""

from __future__ import annotations

from collections.abc import Callable

from logger.judgement.penalties import Charge, Overspeed
from logger.review.terminal import penalty_text
from logger.stage.rules import Band, Penalties, Rules, SpeedRules

MAX_BANDS = 8
"""Bands listed in the rule: regulations have two to four."""


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


def brief(over: Overspeed, charge: Charge, rules: Penalties) -> str:
    """The factors of a penalty in a few words, beside `price_rule`."""
    if rules.model == "rallysafe":
        return f"{over.gained_m:.1f} m gained"
    if rules.model == "rallycheck":
        return f"{over.sustained_s:.1f} s"
    if rules.model == "over_time":
        return "with the one before" if charge.counts_with is not None else f"{charge.over_s:.1f} s"
    if charge.band is None:
        return "no band"
    return "repeated" if charge.repeated else f"{charge.times} x {penalty_text(charge.band.penalty_s)}"


def impulse_rule(rules: SpeedRules) -> str:
    """When an over-speed begins and when it counts an impulse."""
    return (
        f"An over-speed begins above the limit + {rules.tolerance_kmh:g} km/h and ends at the limit. Its first impulse"
        f" is at its begin; the next ones follow every {rules.impulse_s:g} s or {rules.impulse_m:g} m, whichever comes"
        " first."
    )


def price_rule(rules: Penalties) -> str:
    """What the model charges for an over-speed."""
    bands = _bands(rules)
    if rules.model == "rallysafe":
        return f"Penalty: metres gained over the limit / limit in m/s x {rules.rallysafe_factor:g}."
    if rules.model == "rallycheck":
        share, least_s = rules.rallycheck_share, rules.rallycheck_s
        return f"Penalty for more than {least_s:g} s without a break above the limit +{share:.0%}, once: {bands}."
    if rules.model == "over_time":
        apart = f"over-speeds less than {rules.over_time_merge_s:g} s apart count as one"
        return f"Penalty: largest excess in km/h x time over the limit x {rules.over_time_factor:g}; {apart}."
    repeat = f"from {rules.repeat_from} impulses in the highest band at least {penalty_text(rules.repeat_penalty_s)}"
    return f"Penalty per impulse by the largest excess: {bands}" + (
        f"; {repeat}." if rules.repeat_penalty_s else "."
    )


def _bands(rules: Penalties) -> str:
    above_kmh, texts = 0.0, []
    for band in rules.bands[:MAX_BANDS]:
        texts.append(f"{_ends(above_kmh, band)} {penalty_text(band.penalty_s) if band.penalty_s else 'none'}")
        above_kmh = band.over_kmh or above_kmh
    if len(rules.bands) > MAX_BANDS:
        texts.append(f"and {len(rules.bands) - MAX_BANDS} more bands")
    return ", ".join(texts) or "no bands"


def _ends(above_kmh: float, band: Band) -> str:
    if band.over_kmh is None:
        return f"above {above_kmh:g} km/h"
    return (
        f"above {above_kmh:g} up to {band.over_kmh:g} km/h" if above_kmh else f"up to {band.over_kmh:g} km/h"
    )


def _band(charge: Charge) -> str:
    if charge.band is None:
        return "no band"
    if charge.band.over_kmh is not None and charge.over_kmh > charge.band.over_kmh:
        return f"band above {charge.above_kmh:g} km/h"  # the last band counts also beyond its end
    return f"band {_ends(charge.above_kmh, charge.band)}"


def _by_bands(over: Overspeed, charge: Charge, rules: Penalties) -> str:
    if charge.band is None:
        return "no band"
    product = f"{_band(charge)}, {charge.times} x {penalty_text(charge.band.penalty_s)}"
    if charge.repeated:
        return f"{product}, but at least {penalty_text(rules.repeat_penalty_s)} from {rules.repeat_from} impulses"
    return product


def _by_rallysafe(over: Overspeed, charge: Charge, rules: Penalties) -> str:
    gained = f"{over.gained_m:g} m gained over the limit / ({over.limit_kmh:g} / 3.6) m/s"
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
