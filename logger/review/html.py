"""Render a review as an HTML page: drawing and tables; a click on a row zooms to its place on the road."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from firmware_bridge.engine.titles import engine_title, unit_title
from logger.boundary.time_text import elapsed_text
from logger.judgement.provenance import Provenance
from logger.judgement.report import Report
from logger.judgement.what_if import WhatIf, rules_title
from logger.review.drawing import review_document
from logger.review.geojson import Shapes
from logger.review.overspeed_table import OverspeedTable
from logger.review.sheet import Row, document, table
from logger.review.steward_sheet import steward_sheet
from logger.review.terminal import (
    clock_of,
    engine_heading,
    heading,
    penalty_text,
    penalty_words,
    section_names,
    summary,
    verdict_text,
)
from logger.review.waypoint_tables import waypoint_tables
from logger.stage.limits import KMH

LEGEND = (
    ("speed", "speed"),
    ("limit", "limit"),
    ("zone", "speed zone"),
    ("free", "free area, waypoint validated"),
    ("over", "over-speed, waypoint missed"),
    ("doubt", "waypoint to look at, remark"),
    ("gap", "no GPS, not reached"),
)


def page(
    report: Report,
    *,
    connection: sqlite3.Connection | None = None,
    what_ifs: Sequence[WhatIf] = (),
    provenance: Provenance | None = None,
    background: Shapes | None = None,
) -> str:
    """Render the HTML page. `connection` is to the report's log, if it is one and still open."""
    overspeeds = OverspeedTable(report, what_ifs, connection)
    head = (
        f"<h1>{escape(heading(report))}</h1>{_verdict(report)}"
        f"<p>{escape(report.evidence.name)}</p>{_rules(report, what_ifs)}"
    )
    drawing, left_out = review_document(report, background)
    drawing |= {"judgement": overspeeds.data()}
    remarks = "".join(f'<p class="remark">{escape(remark)}</p>' for remark in [*_remarks(report), *left_out])
    return document(
        heading(report),
        head,
        remarks,
        drawing,
        LEGEND,
        _tables(report),
        first=(_sections(report) + overspeeds.html(), "".join(waypoint_tables(report))),
        printed=steward_sheet(report, provenance),
    )


def _verdict(report: Report) -> str:
    tone = "" if report.not_judged else "bad" if report.penalty_s else "good"
    return f'<p class="verdict {tone}" id="verdict">{escape(verdict_text(report))}</p>'


def _rules(report: Report, what_ifs: Sequence[WhatIf]) -> str:
    """The rules of the verdict, and the choice of others."""
    if not what_ifs:
        return f"<p>{escape(rules_title(report.rules))}</p>"
    names = [f"verdict: {rules_title(report.rules)}"]
    names += [f"what if: {other.name}: {penalty_words(other.ruling.penalty_s)}" for other in what_ifs]
    choices = "".join(f'<option value="{at}">{escape(name)}</option>' for at, name in enumerate(names))
    return f'<p><label>Rules <select id="ruling">{choices}</select></label></p>'


def _remarks(report: Report) -> list[str]:
    return [*report.remarks, *([report.problem.what] if report.problem else [])]


def _sections(report: Report) -> str:
    return table(
        "Sections",
        ["section", " km", " time", " penalty", "", " avg km/h", " moving", " max"],
        [
            Row(
                [
                    section.name or section.kind,
                    f"{section.distance_km:.2f}",
                    elapsed_text(section.elapsed_s),
                    penalty_text(section.penalty_s),
                    "" if section.finished else "not finished",
                    _kmh(section.average_mps),
                    _kmh(section.moving_average_mps),
                    _figure(section.max_kmh),
                ]
            )
            for section in report.sections
        ],
        name="sections" if report.sections else "",
    )


def _tables(report: Report) -> Iterable[str]:
    names = section_names(report)
    clock = clock_of(report)
    yield table(
        "Neutralisations",
        ["kind", " UTC", " took", " allowed", ""],
        [
            Row(
                [
                    "neutralisation" if pause.kind == "dn" else "transfer",
                    clock(pause.at_us),
                    elapsed_text(pause.took_s),
                    elapsed_text(pause.allowed_s),
                    f"left {pause.early_s:.0f} s early" if pause.early_s else "",
                ]
            )
            for pause in report.pauses
        ],
    )
    yield table(
        "Splits",
        ["section", "at", " km", " time", " avg km/h"],
        [
            Row(
                [
                    names[section.section],
                    split.name + (" (estimated)" if split.estimated else ""),
                    f"{split.km:.2f}",
                    elapsed_text(split.elapsed_us / 1e6),
                    _kmh(split.average_mps),
                ]
            )
            for section in report.sections
            for split in section.splits
        ],
    )
    yield table(
        engine_heading(report),
        ["channel", " min", " mean", " max", "unit"],
        [
            Row([engine_title(c.name), f"{c.low:.4g}", f"{c.mean:.4g}", f"{c.high:.4g}", unit_title(c.unit)])
            for c in report.engine
        ],
    )
    yield table(
        "Alarms",
        [" UTC", "alarm", "level", ""],
        [
            Row([clock(e.at_us), *(str(e.detail.get(key, "")) for key in ("name", "level", "state"))])
            for e in report.evidence.events
            if e.kind == "alarm"
        ],
    )
    yield table(
        f"Evidence: {summary(report)}",
        ["", ""],
        [
            Row([key.replace("_", " "), _plain(value)])
            for key, value in report.quality.figures.items()
            if value not in (None, {}, [])
        ],
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {count}" for key, count in value.items())
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(" ".join(str(part) for part in item.values()) for item in value)
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _kmh(mps: float | None) -> str:
    return "-" if mps is None else f"{mps * KMH:.1f}"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
