"""What the crew page must read for a snapshot, and how to find what does not fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from tests.logger.crew.browsing import SIZES

if TYPE_CHECKING:
    from playwright.sync_api import Page

KM = 43.4
WIDE = SIZES[0]
CUT = """() => [...document.querySelectorAll('main [data-value]')].filter(value => {
    const box = value.closest('p, .sign, section').getBoundingClientRect(), own = value.getBoundingClientRect();
    return value.offsetParent && (own.left < box.left - 1 || own.right > box.right + 1);
  }).map(value => value.outerHTML)"""
"""Values that are wider than their place."""
CUT_LISTS = """() => [...document.querySelectorAll('.lists li > *')]
  .filter(cell => cell.offsetParent && cell.scrollWidth > cell.clientWidth).map(cell => cell.outerHTML)"""
"""Cells of the lists in which something does not fit."""
UNSEEN = """names => names.flatMap(name => {
  const found = [...document.querySelectorAll(name)].filter(element => element.offsetParent);
  if (!found.length) return [`${name}: not shown`];
  return found.flatMap(element => {
    const {left, top, right, bottom} = element.getBoundingClientRect(), wrong = [], inset = 4;  // corners are round
    if (left < -.5 || top < -.5 || right > innerWidth + .5 || bottom > innerHeight + .5) wrong.push('outside');
    const middle = [(left + right) / 2, (top + bottom) / 2];
    const corners = [left + inset, right - inset].flatMap(x => [top + inset, bottom - inset].map(y => [x, y]));
    const above = [middle, ...corners].map(([x, y]) => document.elementFromPoint(x, y))
      .find(hit => !hit || !(element.contains(hit) || hit.contains(element)));
    if (above !== undefined) wrong.push(`under ${above?.outerHTML.slice(0, 60)}`);
    if (element.scrollWidth > element.clientWidth && element.clientWidth) wrong.push('wider than its place');
    const box = element.closest('section, nav, header, aside, dialog')?.getBoundingClientRect();
    if (box && (left < box.left - 1 || right > box.right + 1 || top < box.top - 1 || bottom > box.bottom + 1))
      wrong.push('beyond its panel');
    return wrong.map(what => `${name} "${element.innerText.slice(0, 30)}": ${what}`);
  }); })"""
"""What is wrong with the elements of selectors: each must be in the window, under nothing, and whole."""


def seen(page: Page, wanted: Sequence[str]) -> None:
    """Check that the elements of all selectors are seen whole, as soon as the page shows the present: a machine under
    load may hold up a snapshot, and then the page says so in place of the links' state."""
    began = time.monotonic()
    while wrong := page.evaluate(UNSEEN, wanted):
        assert time.monotonic() - began < 20, wrong
        page.wait_for_timeout(100)


def rounded(value: float | None, places: int) -> str:
    """As a browser rounds."""
    if value is None:
        return "--"
    return str(Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "--"
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def official(seconds: float) -> str:
    """A time that was taken, to the nearest second."""
    return duration(float(rounded(seconds, 0)))


def near(km: float | None) -> str:
    if km is None:
        return "--"
    return f"{rounded(km * 1000, 0)} m" if km < 1 else rounded(km, 2 if km < 100 else 1)


def expected(told: dict[str, Any], view: str) -> dict[str, str]:
    """What a view must read for a snapshot."""
    section = told["section"]
    both = {
        "speed_kmh": rounded(told["speed_kmh"], 0),
        "limit.kmh": rounded(told["limit"]["kmh"], 0),
        "section.average_kmh": rounded(section["average_kmh"], 1),
        "section.distance_km": rounded(section["distance_km"], 2),
    }
    if view == "driver":
        return both | {"next.distance_km": near(told["next"]["distance_km"])}
    trips = {
        f"trip.{number}.{key}": rounded(told["trip"][number][key], places)
        for number in (0, 1)
        for key, places in (("distance_km", 2), ("average_kmh", 1))
    }
    return (
        both
        | trips
        | {
            "section.remaining_km": rounded(section["remaining_km"], 2),
            "section.moving_average_kmh": rounded(section["moving_average_kmh"], 1),
            "section.required_kmh": rounded(section["required_kmh"], 1),
            "section.elapsed_s": duration(section["elapsed_s"]),
            "section.eta_utc": (section["eta_utc"] or "           --")[11:19],
        }
    )


def waits(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, "waited in vain"
        time.sleep(0.02)
