"""Convert class tables to a JSON document. Keys and units are a contract (logger/cli/README.md)."""

from __future__ import annotations

from typing import Any

from logger.comparison.standings import Standings


def document(computed: Standings) -> dict[str, Any]:
    """The tables as one JSON object."""
    return {
        "tables": [
            {
                "title": standing.title,
                "class": standing.class_name or None,
                "entries": [
                    {
                        "place": place if entry.total_s is not None else None,
                        "car": entry.car,
                        "name": entry.name,
                        "time_s": entry.time_s,
                        "penalty_s": entry.penalty_s,
                        "provisional_s": entry.provisional_s,
                        "total_s": entry.total_s,
                        "gap_s": gap_s,
                        "not_finished": entry.not_finished,
                        "computed_penalty_s": entry.computed_penalty_s,
                        "penalties": [
                            {
                                "penalty_s": d.seconds,
                                "reason": d.reason or None,
                                "document": d.document or None,
                                "status": d.status,
                            }
                            for d in entry.decisions
                        ],
                    }
                    for place, (entry, gap_s) in enumerate(
                        zip(standing.entries, standing.gap_s, strict=True), 1
                    )
                ],
            }
            for standing in computed.tables
        ],
        "remarks": computed.remarks,
    }
