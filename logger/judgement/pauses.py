"""Neutralisations and transfers of a day: how long each took, and whether it was left too early."""

from __future__ import annotations

from typing import NamedTuple

from logger.judgement.runs import Day

EARLY_S = 1.0
"""Neutralisations are timed to the second; a smaller difference is within the error of GPS."""


class PauseReport(NamedTuple):
    """A neutralisation or transfer. `early_s` is the time by which it was left too early, else 0."""

    section: int
    kind: str
    at_us: int
    took_s: float | None
    allowed_s: float | None

    @property
    def early_s(self) -> float:
        if self.took_s is None or self.allowed_s is None:
            return 0.0
        early_s = self.allowed_s - self.took_s
        return round(early_s, 2) if early_s >= EARLY_S else 0.0


def pauses_of(day: Day) -> list[PauseReport]:
    """The pauses of each section, in order."""
    return [
        PauseReport(
            section.section,
            pause.kind,
            pause.from_us,
            None if pause.to_us is None else (pause.to_us - pause.from_us) / 1e6,
            None if pause.allowed_us is None else pause.allowed_us / 1e6,
        )
        for section in day.sections
        for pause in section.run.pauses
    ]
