"""Review several logs, one after the other, for a comparison or the class tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from logger.boundary.terminal import progress_bar
from logger.judgement.open_evidence import ReviewOptions, open_evidence
from logger.judgement.report import Report, report_of


class EngineOptions(NamedTuple):
    """How to read the engine channels: with DBC texts by name, and with every signal of the log's own DBC files."""

    dbc_texts: Mapping[str, str]
    signals: bool


def reports_of(
    logs: Sequence[Path], options: ReviewOptions, engine: EngineOptions | None = None
) -> list[Report]:
    """Each log's report; its engine channels, which take the longest, only on request. Raises StagelogError."""
    reports = []
    for log in logs:
        with (
            progress_bar(f"reviewing {log.name}") as progress,
            open_evidence(log, options, progress) as (evidence, rules, connection),
        ):
            if engine is None or connection is None:
                reports.append(report_of(evidence, rules))
            else:
                texts, signals = engine
                reports.append(report_of(evidence, rules, connection, texts, progress, signals=signals))
    return reports
