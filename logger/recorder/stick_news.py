"""The state of the USB stick copy for the crew: state, text, age.

A separate process (logger.stick) copies; it may be killed, and the stick unplugged, at any moment, so its silence
counts too. Pure: time is an argument.

    copying    in progress          copied   all is on the stick, which is still in use
    done       safe to unplug       partly   safe to unplug, but not all is on it
    failed     the reason
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATES = ("copying", "copied", "done", "partly", "failed")
DETAIL_CHARS = 300
SILENT_US = 60_000_000
"""The process reports every second while it copies; after a minute of silence the copy has failed."""
SHOWN_US = 300_000_000
"""An outcome is shown for this long."""


class StickNews:
    """The newest report of the copy process."""

    def __init__(self) -> None:
        self._state: str | None = None
        self._detail = ""
        self._reported_us = 0

    def take(self, t_us: int, report: Mapping[str, Any]) -> bool:
        """Take a report of the copy process; whether the state changed. Raises ValueError, one line."""
        state, detail = report.get("state"), report.get("detail")
        if state not in STATES or not isinstance(detail, str) or set(report) != {"state", "detail"}:
            raise ValueError(f"stick: a state ({', '.join(STATES)}) and a detail, and nothing else")
        is_news: bool = state != self._state
        self._state, self._detail, self._reported_us = state, detail[:DETAIL_CHARS], t_us
        return is_news

    def snapshot(self, t_us: int) -> dict[str, Any]:
        """The document that the crew sees; each value None without a recent report."""
        age_us = t_us - self._reported_us
        state, detail = self._state, self._detail
        if state == "copying" and age_us > SILENT_US:
            state, detail = (
                "failed",
                "the copy stopped responding; nothing in the car is lost: plug the stick in again",
            )
        if state == "copied" and age_us > SILENT_US:  # copied by hand, or the process died before the end
            detail = f"{detail}; still mounted: unmount it before you unplug it"
        if state is None or age_us > SHOWN_US:
            return {"state": None, "detail": None, "age_s": None}
        return {"state": state, "detail": detail, "age_s": round(age_us / 1e6, 3)}
