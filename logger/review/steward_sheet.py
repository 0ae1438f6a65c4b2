"""The verdict on one A4 page, for a steward to sign: the only part of a review's page that is printed.

Rows are shared out among the lists so that they fit the page; what is left out is counted. The verdict is printed also
while the page shows what other rules would make of the drive.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from logger.boundary.time_text import elapsed_text
from logger.judgement.penalties import missed_s
from logger.judgement.provenance import Provenance, rules_digest
from logger.judgement.report import Report
from logger.judgement.what_if import rules_title
from logger.review.explanation import brief, impulse_rule, price_rule
from logger.review.terminal import (
    clock_of,
    heading,
    metres_text,
    over_text,
    penalty_text,
    section_names,
    verdict_text,
)

MAX_ROWS = 24
"""Rows of all lists together: with headings, remarks and signature they fill an A4 page."""
MAX_REMARKS, MAX_CHARS = 3, 150
"""Remarks printed, and characters of each and of a name: a name from a log may be of any length."""


class _List(NamedTuple):
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The most important ones first."""
    order: Sequence[int] = ()
    """The position of each row among those printed; () for the given order."""


def steward_sheet(report: Report, provenance: Provenance | None) -> str:
    """The page as HTML, hidden on a screen."""
    lists = [_sections(report), _overspeeds(report), _missed(report)]
    shares = shared_out([len(each.rows) for each in lists], MAX_ROWS)
    body = "".join(_table(each, share) for each, share in zip(lists, shares, strict=True))
    head = f'<h1>{_cut(heading(report))}</h1><p class="ruled">{escape(verdict_text(report))}</p>'
    return (
        f'<article class="sheet"><header>{head}</header>'
        f'<div class="lists">{_remarks(report)}{body}{_rule(report)}</div>'
        f"<footer>{_provenance(report, provenance)}{_signature()}</footer></article>"
    )


def shared_out(wanted: Sequence[int], rows: int) -> list[int]:
    """Rows of each list if all together have `rows`: equal shares, and what one does not need goes to the others."""
    shares = [0] * len(wanted)
    while rows > 0 and (open_lists := [index for index, want in enumerate(wanted) if shares[index] < want]):
        for index in open_lists[:rows]:
            shares[index] += 1
        rows -= len(open_lists[:rows])
    return shares


def _sections(report: Report) -> _List:
    clock = clock_of(report)
    rows = [
        [
            section.name or section.kind,
            clock(section.began_us),
            clock(section.ended_us),
            elapsed_text(section.elapsed_s),
            f"{section.distance_km:.2f}",
            "-" if section.max_kmh is None else f"{section.max_kmh:.1f}",
            "yes" if section.finished else "no",
            penalty_text(section.penalty_s),
        ]
        for section in report.sections
    ]
    columns = ["section", " start UTC", " end UTC", " time", " km", " max km/h", " finished", " penalty"]
    return _List("Sections", columns, rows)


def _overspeeds(report: Report) -> _List:
    clock, names = clock_of(report), section_names(report)
    pairs = list(zip(report.overspeeds, report.charges, strict=True))
    costliest = sorted(
        range(len(pairs)), key=lambda at: (-pairs[at][1].penalty_s, -pairs[at][0].over_kmh, at)
    )
    rows = []
    for over, charge in (pairs[at] for at in costliest):
        rows.append(
            [
                names.get(over.section, "-"),
                f"{over.km:.3f}",
                clock(over.at_us),
                f"{over.limit_kmh:g}",
                f"{over.max_kmh:.1f}",
                over_text(over),
                str(over.impulses),
                brief(over, charge, report.rules.penalties),
                penalty_text(charge.penalty_s),
            ]
        )
    columns = ["section", " km", " UTC", " limit", " max", " over", " impulses", "rule", " penalty"]
    return _List(f"Over-speeds ({len(pairs)})", columns, rows, costliest)


def _missed(report: Report) -> _List:
    names = section_names(report)
    points = [point for point in report.waypoints if point.state == "missed"]
    points.sort(key=lambda point: not point.charged)
    rows = [
        [
            names.get(point.section, ""),
            f"{point.name} ({point.kind})",
            f"{point.km:.2f}",
            metres_text(point.nearest_m),
            f"{point.clear_m:.0f} m",
            penalty_text(missed_s(point.kind, report.rules.missed)) if point.charged else "-",
        ]
        for point in points
    ]
    columns = ["section", "waypoint", " km", " nearest", " circle", " penalty"]
    return _List(f"Missed waypoints ({len(points)})", columns, rows)


def _table(each: _List, share: int) -> str:
    shown = list(range(share))
    if each.order:
        shown.sort(key=lambda at: each.order[at])
    kinds = [" class=n" if column.startswith(" ") else "" for column in each.columns]
    head = "".join(
        f"<th{kind}>{escape(column.strip())}</th>" for column, kind in zip(each.columns, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{kind}>{_cut(cell)}</td>" for cell, kind in zip(each.rows[at], kinds, strict=True))
        + "</tr>"
        for at in shown
    )
    left = len(each.rows) - share
    more = f"<p>and {left} more in the log</p>" if left else ""
    grid = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if share else ""
    return f"<h2>{escape(each.title)}</h2>{grid or ('' if left else '<p>none</p>')}{more}"


def _remarks(report: Report) -> str:
    remarks = [*([report.problem.what] if report.problem else []), *report.remarks]
    early = [pause for pause in report.pauses if pause.early_s]
    if early:
        remarks.append(
            f"{len(early)} neutralisations left early, by up to {max(p.early_s for p in early):.0f} s: no penalty here"
        )
    if not remarks:
        return ""
    more = [f"and {len(remarks) - MAX_REMARKS} more in the log"] if len(remarks) > MAX_REMARKS else []
    return "<h2>Remarks</h2>" + "".join(f"<p>{_cut(text)}</p>" for text in [*remarks[:MAX_REMARKS], *more])


def _rule(report: Report) -> str:
    """The rules as far as the penalties above are made by them."""
    missed = report.rules.missed
    kinds = f"{penalty_text(missed.default_s)}, wpn {penalty_text(missed.wpn_s)}, wpp {penalty_text(missed.wpp_s)}"
    rules = [
        impulse_rule(report.rules.speed),
        price_rule(report.rules.penalties),
        f"A missed waypoint: {kinds}.",
    ]
    return f"<h2>Rules</h2><p>{escape(' '.join(rules))}</p>"


def _provenance(report: Report, provenance: Provenance | None) -> str:
    evidence = report.evidence
    facts = [("Log", evidence.name)]
    if provenance is not None:
        facts += [
            (f"SHA-256 of {file.name}, {file.size_bytes:,} bytes", file.sha256) for file in provenance.files
        ]
        if len(provenance.files) > 1:
            facts.append(
                (
                    "Note",
                    "the log is not closed: its newest rows are in the -wal file, which has its own SHA-256",
                )
            )
    facts.append(("Rules", f"{rules_title(report.rules)}, content {rules_digest(report.rules)}"))
    facts.append(("Recorded by", evidence.meta.get("software", "another device")))
    if provenance is not None:
        facts.append(("Reviewed by", f"{provenance.software}, {provenance.reviewed_utc}"))
    return "<dl>" + "".join(f"<dt>{_cut(name)}</dt><dd>{_cut(value)}</dd>" for name, value in facts) + "</dl>"


def _signature() -> str:
    return '<p class="sign"><span>Decision</span><span>Steward, signature</span><span>Date, time</span></p>'


def _cut(text: str) -> str:
    """Text as HTML, at most `MAX_CHARS` long."""
    return escape(text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 3] + "...")
