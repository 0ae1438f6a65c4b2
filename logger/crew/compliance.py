"""Hide position and heading from the crew during a timed section.

Regulations restrict a crew's own navigation aids between start and finish of a timed section. Distance, speed, limit,
clock and engine stay; position and heading are removed here, before any page receives them. The log is unchanged.
A time to beat stays: it came with the itinerary before the start and gives no direction.

The log being recorded also holds the positions, so it is withheld during a timed section: no download, export or
review. It stays withheld until the recorder reports the end of the section; a recorder that disconnects for a moment
does not release it. Other logs are never withheld.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

HIDDEN: Mapping[str, tuple[str, ...]] = {"gps": ("lat", "lon", "course_deg")}
WITHHELD = "withheld until the timed section is over ([serve] compliance)"


class Compliance:
    """Filter snapshots by the section in the last one. Hides nothing unless `applies`."""

    def __init__(self, *, applies: bool) -> None:
        self._applies = applies
        self._withheld: str | None = None

    def shown(self, snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
        """A copy of the snapshot that may be shown; its `compliance` key is true when values were removed."""
        hidden = self._applies and _is_timed(snapshot)
        self._withheld = recorded(snapshot) or self._withheld if hidden else None
        shown = {**snapshot, "compliance": hidden}
        if hidden:
            for group, keys in HIDDEN.items():
                if isinstance(values := snapshot.get(group), Mapping):
                    shown[group] = {key: None if key in keys else value for key, value in values.items()}
        return shown

    def withholds(self, name: str) -> bool:
        """Whether the log of that name must not be served now."""
        return name == self._withheld


def recorded(snapshot: Mapping[str, Any]) -> str | None:
    """The file name of the log being recorded, from a snapshot; None if it has none."""
    recording = snapshot.get("recording")
    path = recording.get("path") if isinstance(recording, Mapping) else None
    return Path(path).name if isinstance(path, str) else None


def _is_timed(snapshot: Mapping[str, Any]) -> bool:
    """Whether the car is in a timed section; a snapshot without a section counts as timed."""
    section = snapshot.get("section")
    if not isinstance(section, Mapping) or "kind" not in section:
        return True
    return bool(section["kind"] == "selective" and section.get("state", "running") != "waiting")
