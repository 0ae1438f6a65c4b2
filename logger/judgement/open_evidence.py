"""Open a recording as evidence: a log as recorded or recomputed, an NMEA text, a GPX track.

The only module of the review that opens recordings. A file that cannot be used raises a one-line error.

Recorded events are used unchanged, with one exception. An over-speed becomes an event when it ends; if the power was
cut during one and no session followed, the log's saved state contains it and its events do not. Such a log is
recomputed as under other rules, and the over-speed ends with the log, as it would at an orderly stop.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.errors import ConfigurationError
from logger.boundary.untrusted_json import loads
from logger.config.input_files import read_text
from logger.judgement import gpx
from logger.judgement.evidence import FIX_COLUMNS, SEEN_COLUMNS, Evidence, RawRows, assemble, table
from logger.judgement.log_evidence import from_log
from logger.judgement.penalties import MODELS
from logger.judgement.recompute import recompute
from logger.logfile.border import open_cut_short, open_log_readonly
from logger.logfile.connect import has_wal
from logger.logfile.session_rows import MAX_SESSIONS
from logger.recorder.stage_files import Stage, stage_of
from logger.replay import replay
from logger.stage.rules import Rules, default_rules
from logger.stage.rules import load as load_rules
from logger.stage.state_codec import saved_state

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """How to review a recording; empty texts and None keep what was recorded.

    `rules` is a rules file or the name of a penalty model; `section` (from 0): only that section was driven.
    """

    itinerary: Path | None = None
    rules: str | None = None
    section: int | None = None
    car_class: str = ""


@contextmanager
def open_evidence(
    path: Path, options: ReviewOptions, progress: Progress
) -> Iterator[tuple[Evidence, Rules, sqlite3.Connection | None]]:
    """Yield a recording's evidence, the rules to apply, and the connection to its log. Raises StagelogError."""
    itinerary_text = "" if options.itinerary is None else read_text(options.itinerary)
    if options.itinerary is not None and not itinerary_text.strip():
        raise ConfigurationError(
            "is empty", where=str(options.itinerary), hint="give the itinerary of the stage"
        )
    if gpx.is_gpx(path):
        yield *_foreign_recording(path, options, itinerary_text, progress, *gpx.rows(path)), None
    elif replay.kind_of(replay.Capture(path), ", or a GPX track with times") != "log":
        yield *_foreign_recording(path, options, itinerary_text, progress, None), None
    else:
        with log_connection(path) as connection:
            yield *_log(path, connection, options, itinerary_text, progress), connection


def _log(
    path: Path,
    connection: sqlite3.Connection,
    options: ReviewOptions,
    itinerary_text: str,
    progress: Progress,
) -> tuple[Evidence, Rules]:
    recorded = from_log(connection, path, open_now=has_wal(path))
    rules = _rules(options, recorded.stage.rules)
    recorded_class = str(recorded.car.get("class") or "")
    _require_class(options, rules, recorded_class)
    if options.car_class and not recorded_class:
        recorded = dataclasses.replace(recorded, meta=recorded.meta | _car_of_class(options, recorded.car))
    stage = _stage(recorded.stage, options, itinerary_text, rules)
    if (
        stage.itinerary == recorded.stage.itinerary
        and options.section is None
        and not _changes_driving(rules, recorded.stage.rules)
        and not _ends_in_overspeed(recorded)
        and (recorded_class or not options.car_class)
    ):
        return dataclasses.replace(recorded, stage=stage), rules
    return _with_itinerary_file(
        recompute(recorded, stage, progress, connection, options.section), options
    ), rules


def _ends_in_overspeed(recorded: Evidence) -> bool:
    """Whether the log ends within an over-speed; its saved state is at most one second older than its rows."""
    last = max(recorded.offsets_us, default=None)
    if len(recorded.offsets_us) > MAX_SESSIONS:
        return False  # too many to recompute: the recorded events stand
    if any(event.kind == "session_end" and event.session == last for event in recorded.events):
        return False
    try:
        return saved_state(loads(recorded.meta["state"])["live"]).over is not None
    except (KeyError, TypeError, ValueError):
        return False


def _foreign_recording(
    path: Path,
    options: ReviewOptions,
    itinerary_text: str,
    progress: Progress,
    rows: RawRows | None,
    remarks: tuple[str, ...] = (),
) -> tuple[Evidence, Rules]:
    """Compute the evidence of another device's recording."""
    rules = _rules(options, default_rules())
    _require_class(options, rules)
    stage = _stage(Stage(), options, itinerary_text, rules)
    if rows is None:
        fixes = (
            (number, *fix[:10])
            for number, session in enumerate(
                replay.sessions(replay.Capture(path), lambda share: progress(share / 2)), 1
            )
            for block in session.rows
            for fix in block.fix
        )
        rows = RawRows(table(fixes, FIX_COLUMNS), table((), SEEN_COLUMNS), [])
    meta = _car_of_class(options, {}) if options.car_class else {}
    evidence = assemble(path.name, meta, stage, rows, remarks=remarks)
    return _with_itinerary_file(recompute(evidence, stage, progress, None, options.section), options), rules


def _car_of_class(options: ReviewOptions, car: dict[str, Any]) -> dict[str, str]:
    return {"car": json.dumps(car | {"class": options.car_class})}


def _rules(options: ReviewOptions, recorded: Rules) -> Rules:
    if options.rules is None:
        return recorded
    model = MODELS.get(options.rules.lower().replace("-", "_"))
    if model is not None:
        return dataclasses.replace(recorded, penalties=dataclasses.replace(recorded.penalties, model=model))  # type: ignore[arg-type]
    path = Path(options.rules)
    if not path.exists():
        names = ", ".join(name for name in MODELS if "_" not in name)
        raise ConfigurationError(
            "neither a rules file nor a penalty model",
            where=options.rules,
            hint=f"name a file, or one of {names}",
        )
    return load_rules(read_text(path), str(path))


def _require_class(options: ReviewOptions, rules: Rules, recorded: str = "") -> None:
    """Raise ConfigurationError for a class that the rules do not know, or that is not the recorded one."""
    name, hint = options.car_class, ", ".join(each.name for each in rules.classes)
    if name and rules.class_limit_kmh(name) is None:
        raise ConfigurationError(
            f'no class "{name}" in the rules', where="--class", hint=f"choose one of {hint}"
        )
    if name and recorded and recorded.casefold() != name.casefold():
        what = f'the log names the class "{recorded}", not "{name}"'
        raise ConfigurationError(what, where="--class", hint="leave --class out")


def rules_of(options: ReviewOptions) -> Rules:
    """The rules of the options, or the default rules. Raises ConfigurationError."""
    return _rules(options, default_rules())


def _stage(recorded: Stage, options: ReviewOptions, itinerary_text: str, rules: Rules) -> Stage:
    stage = recorded
    if options.itinerary is not None:
        stage = stage_of(itinerary_text, str(options.itinerary), reset_odometer=recorded.reset_odometer)
    stage = dataclasses.replace(stage, rules=rules)
    sections = 0 if stage.itinerary is None else len(stage.itinerary.sections)
    if options.section is not None and not 0 <= options.section < sections:
        hint = f"it has {sections} sections" if sections else "give --itinerary"
        what = f"there is no section {options.section + 1} in the itinerary"
        raise ConfigurationError(what, hint=hint)
    return stage


def _changes_driving(rules: Rules, recorded: Rules) -> bool:
    """Whether rules differ in a key that the live computation uses; it uses no penalties."""
    unused_live = {"name": "", "penalties": recorded.penalties, "missed": recorded.missed}
    unused_live["not_finished"] = recorded.not_finished
    return dataclasses.replace(rules, **unused_live) != dataclasses.replace(recorded, name="")  # type: ignore[arg-type]


def _with_itinerary_file(evidence: Evidence, options: ReviewOptions) -> Evidence:
    """Record the name of the itinerary file in the evidence, for the check of its place."""
    return (
        evidence
        if options.itinerary is None
        else dataclasses.replace(evidence, checked_itinerary=str(options.itinerary))
    )


PAGES_AT = 28
"""Offset of the page count in SQLite's header; the page size is at 16 (1 means 65,536)."""


def log_connection(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    """Open a log read-only, also one that is cut short. Raises LogError."""
    return open_cut_short(path) if _is_cut_short(path) else open_log_readonly(path)


def _is_cut_short(path: Path) -> bool:
    """Whether a log is shorter than its header states; SQLite would refuse it."""
    with path.open("rb") as file:
        head = file.read(PAGES_AT + 4)
    page_bytes = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[PAGES_AT:], "big")
    return path.stat().st_size < pages * (page_bytes if page_bytes > 1 else 65_536) and not has_wal(path)
