"""Convert a comparison to a JSON document. Keys and units are a contract (logger/cli/README.md)."""

from __future__ import annotations

from typing import Any

import numpy as np

from logger.boundary.utc_text import utc_text
from logger.comparison.compare import CarSection, Comparison
from logger.logfile.documents import car_document


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as one JSON object; times in the order of `cars`."""
    section = comparison.course.section
    return {
        "section": {"kind": section.kind, "name": section.name, "length_km": section.length_km},
        "cars": [_car(car) for car in comparison.cars],
        "splits": [
            {"name": row.name, "km": row.km, "elapsed_s": row.elapsed_s, "behind_s": row.behind_s}
            for row in comparison.splits
        ],
        "sectors": [
            {
                "name": row.name,
                "from_km": row.from_km,
                "to_km": row.to_km,
                "elapsed_s": row.elapsed_s,
                "behind_s": row.behind_s,
            }
            for row in comparison.sectors
        ],
        "growths": [
            [
                {
                    "from_km": round(growth.from_km, 3),
                    "to_km": round(growth.to_km, 3),
                    "grown_s": round(growth.grown_s, 1),
                }
                for growth in growths
            ]
            for growths in comparison.growths
        ],
        "gap": {
            "km": [round(float(km), 3) for km in comparison.km],
            "behind_s": [
                [round(seconds, 2) if np.isfinite(seconds) else None for seconds in gap.tolist()]
                for gap in comparison.gap_s
            ],
        },
    }


def _car(car: CarSection) -> dict[str, Any]:
    evidence, section = car.report.evidence, car.section
    return {
        "log": evidence.name,
        "label": car.label,
        "car": car_document(evidence.car),
        "begun_utc": utc_text(section.began_us) if evidence.utc_known else None,
        "elapsed_s": section.elapsed_s,
        "finished": section.finished,
        "distance_km": round(section.distance_km, 4),
        "average_kmh": None if section.average_mps is None else round(section.average_mps * 3.6, 3),
        "max_kmh": section.max_kmh,
        "penalty_s": section.penalty_s,
    }
