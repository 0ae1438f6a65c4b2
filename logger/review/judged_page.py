"""Make the page of one recording: its report, other rules beside it, and what the verdict was made from."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.errors import ConfigurationError
from logger.config.input_files import read_text
from logger.judgement.provenance import provenance_of
from logger.judgement.report import Report
from logger.judgement.what_if import Progress, what_ifs
from logger.review.geojson import Shapes
from logger.review.html import page
from logger.stage.rules import Rules, load

MAX_FILES = 8
"""Rules files per page: each adds its own over-speeds to it."""


def read_rules(paths: Sequence[Path]) -> list[Rules]:
    """Read the rules files of `--what-if`. Raises ConfigurationError."""
    if len(paths) > MAX_FILES:
        hint = f"give at most {MAX_FILES}"
        raise ConfigurationError(f"{len(paths)} rules files for one page", where="--what-if", hint=hint)
    return [load(read_text(path), str(path)) for path in paths]


def judged_page(
    path: Path,
    report: Report,
    others: Sequence[Rules],
    connection: sqlite3.Connection | None,
    section: int | None,
    progress: Progress,
    background: Shapes | None = None,
) -> str:
    """The page of the recording at `path` under the rules of its report and others. Raises StagelogError, OSError."""
    found = what_ifs(report, others, connection, section, progress)
    return page(
        report,
        connection=connection,
        what_ifs=found,
        provenance=provenance_of(path),
        background=background,
    )
