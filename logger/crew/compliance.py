"""Decide what a crew may be shown in a timed section: everything but where the car is and where it is heading.

Regulations restrict the crews' own navigation aids between start and finish of a timed section. Distance, speed,
limit, clock and engine stay; position and heading go. They are taken out here, before any page sees them: what is not
sent cannot be shown. The log is not touched. A time to beat stays: it came into the car with the itinerary, before the
start, and points nowhere.

The log that is being recorded holds the positions as well. While a timed section is driven it is withheld: no bytes,
no export, no review of it. That lasts until the recorder says that the section is over, so a recorder that is away for
a moment opens nothing. Other logs are as free as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

HIDDEN: Mapping[str, tuple[str, ...]] = {"gps": ("lat", "lon", "course_deg")}
WITHHELD = "withheld until the timed section is over ([serve] compliance)"


class Compliance:
    """What may be shown, by what the recorder last said. Where it does not apply, everything."""

    def __init__(self, *, applies: bool) -> None:
        self._applies = applies
        self._withheld: str | None = None

    def shown(self, snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
        """A new snapshot as it may be shown; `compliance` in it says whether something was taken out."""
        hidden = self._applies and _is_timed(snapshot)
        self._withheld = recorded(snapshot) or self._withheld if hidden else None
        shown = {**snapshot, "compliance": hidden}
        if hidden:
            for group, keys in HIDDEN.items():
                if isinstance(values := snapshot.get(group), Mapping):
                    shown[group] = {key: None if key in keys else value for key, value in values.items()}
        return shown

    def withholds(self, name: str) -> bool:
        """Whether the log of that name may not be handed out now."""
        return name == self._withheld


def recorded(snapshot: Mapping[str, Any]) -> str | None:
    """The name of the log that the recorder says it is writing."""
    recording = snapshot.get("recording")
    path = recording.get("path") if isinstance(recording, Mapping) else None
    return Path(path).name if isinstance(path, str) else None


def _is_timed(snapshot: Mapping[str, Any]) -> bool:
    """Whether a timed section is being driven; a snapshot that does not say so counts as one."""
    section = snapshot.get("section")
    if not isinstance(section, Mapping) or "kind" not in section:
        return True
    return bool(section["kind"] == "selective" and section.get("state", "running") != "waiting")
