"""What a crew may be shown in a timed section: everything but where it is and where it is heading.

Regulations restrict the crews' own navigation aids between start and finish of a timed section. Distance,
speed, limit, clock and engine stay; position, heading and anything that points to a waypoint go. It is taken
out here, before any page sees it: what is not sent cannot be shown. The log is not touched. A time to beat stays:
it came into the car with the itinerary, before the start, and points nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HIDDEN: Mapping[str, tuple[str, ...]] = {
    "gps": ("lat", "lon", "course_deg"),
    "next": ("lat", "lon", "bearing_deg"),
}


def permitted(snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    """The snapshot as it may be shown; `compliance` in it says whether something was taken out."""
    hidden = _timed(snapshot)
    shown = {**snapshot, "compliance": hidden}
    if hidden:
        for group, keys in HIDDEN.items():
            if isinstance(values := snapshot.get(group), Mapping):
                shown[group] = {key: None if key in keys else value for key, value in values.items()}
    return shown


def unrestricted(snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    """The whole snapshot, for a crew that drives under no such rule."""
    return {**snapshot, "compliance": False}


def _timed(snapshot: Mapping[str, Any]) -> bool:
    """Whether a timed section is being driven; a snapshot that does not say so counts as one."""
    section = snapshot.get("section")
    if not isinstance(section, Mapping) or "kind" not in section:
        return True
    return bool(section["kind"] == "selective" and section.get("state", "running") != "waiting")
