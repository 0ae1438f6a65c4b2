"""The class tables as text, the same on the terminal and on the season's page."""

from __future__ import annotations

from collections.abc import Iterator

from logger.boundary.time_text import elapsed_text, gap_text
from logger.comparison.standings import Entry, Standings
from logger.review.terminal import Table


def tables(computed: Standings) -> Iterator[Table]:
    """Title, columns and rows of each table."""
    for standing in computed.tables:
        title = " - ".join(part for part in (standing.title, standing.class_name) if part)
        yield (
            title,
            ["", "car", "crew", "time", "penalties", "total", "gap", ""],
            [
                [
                    str(place) if entry.total_s is not None else "-",
                    str(entry.car),
                    entry.name,
                    elapsed_text(entry.time_s),
                    elapsed_text(entry.penalty_s) if entry.penalty_s else "-",
                    elapsed_text(entry.total_s),
                    "" if not gap_s else gap_text(gap_s),
                    "; ".join(_notes(entry)),
                ]
                for place, (entry, gap_s) in enumerate(zip(standing.entries, standing.gap_s, strict=True), 1)
            ],
        )


def _notes(entry: Entry) -> Iterator[str]:
    for decision in entry.decisions:
        what = f"{elapsed_text(decision.seconds)} {decision.reason}".strip()
        paper = f" ({decision.document})" if decision.document else ""
        yield what + paper + (" PROVISIONAL" if decision.status == "provisional" else "")
    for label in entry.not_finished:
        yield f"stage {label} not finished"
    if entry.total_s is None:
        yield "a stage is missing"
    if entry.computed_penalty_s:
        yield f"review computes {elapsed_text(entry.computed_penalty_s)}, not counted"
