"""From a file's name to evidence: a log as it was recorded or made anew, an NMEA text, another device's GPX track.

The one place of the review that opens recordings. What cannot be used is one line; what can be is used.

Recorded events are believed as they are, with one exception. An over-speed becomes an event when it is over; where
the power was cut in one and no session came after, the log's state has it and its events have not. Such a log is
made anew as under other rules, and the over-speed ends where the log does, as it would have at an orderly stop.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.errors import ConfigurationError
from logger.boundary.untrusted_json import loads
from logger.config.input_files import read_text
from logger.logfile.border import has_wal, open_cut_short, open_log_readonly
from logger.logfile.session_rows import MOST_SESSIONS
from logger.recorder.setup import Stage, stage_of
from logger.replay import replay
from logger.review import gpx
from logger.review.evidence import FIX_COLUMNS, SEEN_COLUMNS, Evidence, RawRows, assemble, table
from logger.review.log_evidence import from_log
from logger.review.penalties import MODELS
from logger.review.recompute import recomputed
from logger.stage.rules import Rules, default_rules
from logger.stage.rules import load as load_rules
from logger.stage.state_codec import saved_state

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a recording is to be looked at; empty texts and None leave it as it was driven.

    `rules` is a rules file or the name of a penalty model; `section` (from 0) says that only that one was driven.
    """

    itinerary: Path | None = None
    rules: str | None = None
    section: int | None = None
    car_class: str = ""


@contextmanager
def opened(
    path: Path, wanted: Wanted, progress: Progress
) -> Iterator[tuple[Evidence, Rules, sqlite3.Connection | None]]:
    """A recording's evidence, the rules for it, and the connection to its log. Raises StagelogError."""
    itinerary_text = "" if wanted.itinerary is None else read_text(wanted.itinerary)
    if gpx.is_gpx(path):
        yield *_other(path, wanted, itinerary_text, progress, *gpx.rows(path)), None
    elif replay.kind_of(replay.Capture(path)) != "log":
        yield *_other(path, wanted, itinerary_text, progress, None), None
    else:
        with log_connection(path) as connection:
            yield *_log(path, connection, wanted, itinerary_text, progress), connection


def _log(
    path: Path, connection: sqlite3.Connection, wanted: Wanted, itinerary_text: str, progress: Progress
) -> tuple[Evidence, Rules]:
    recorded = from_log(connection, path, open_now=has_wal(path))
    rules = _rules(wanted, recorded.stage.rules)
    stage = _stage(recorded.stage, wanted, itinerary_text, rules)
    if (
        stage.itinerary == recorded.stage.itinerary
        and wanted.section is None
        and not _changes_driving(rules, recorded.stage.rules)
        and not _ends_too_fast(recorded)
    ):
        return dataclasses.replace(recorded, stage=stage), rules
    return _fitting(recomputed(recorded, stage, progress, connection, wanted.section), wanted), rules


def _ends_too_fast(recorded: Evidence) -> bool:
    """Whether an over-speed went on when the log was cut off; the state is at most a second older than its rows."""
    last = max(recorded.offsets_us, default=None)
    if len(recorded.offsets_us) > MOST_SESSIONS:
        return False  # not computed again: what was recorded stands
    if any(event.kind == "session_end" and event.session == last for event in recorded.events):
        return False
    try:
        return saved_state(loads(recorded.meta["state"])["live"]).over is not None
    except (KeyError, TypeError, ValueError):
        return False


def _other(
    path: Path,
    wanted: Wanted,
    itinerary_text: str,
    progress: Progress,
    rows: RawRows | None,
    remarks: tuple[str, ...] = (),
) -> tuple[Evidence, Rules]:
    """What another device recorded, put through the computation."""
    rules = _rules(wanted, default_rules())
    stage = _stage(Stage(), wanted, itinerary_text, rules)
    if rows is None:
        fixes = (
            (number, *fix[:10])
            for number, session in enumerate(
                replay.sessions(replay.Capture(path), lambda share: progress(share / 2)), 1
            )
            for some in session.rows
            for fix in some.fix
        )
        rows = RawRows(table(fixes, FIX_COLUMNS), table((), SEEN_COLUMNS), [])
    meta = {"car": json.dumps({"class": wanted.car_class})} if wanted.car_class else {}
    evidence = assemble(path.name, meta, stage, rows, remarks=remarks)
    return _fitting(recomputed(evidence, stage, progress, None, wanted.section), wanted), rules


def _rules(wanted: Wanted, brought: Rules) -> Rules:
    if wanted.rules is None:
        return brought
    model = MODELS.get(wanted.rules.lower().replace("-", "_"))
    if model is not None:
        return dataclasses.replace(brought, penalties=dataclasses.replace(brought.penalties, model=model))  # type: ignore[arg-type]
    path = Path(wanted.rules)
    if not path.exists():
        names = ", ".join(name for name in MODELS if "_" not in name)
        raise ConfigurationError(
            "neither a rules file nor a penalty model",
            where=wanted.rules,
            hint=f"name a file, or one of {names}",
        )
    return load_rules(read_text(path), str(path))


def rules_of(wanted: Wanted) -> Rules:
    """The rules that are wanted, where there is no recording that brings its own. Raises ConfigurationError."""
    return _rules(wanted, default_rules())


def _stage(recorded: Stage, wanted: Wanted, itinerary_text: str, rules: Rules) -> Stage:
    stage = recorded
    if itinerary_text:
        stage = stage_of(itinerary_text, str(wanted.itinerary), reset_odometer=recorded.reset_odometer)
    stage = dataclasses.replace(stage, rules=rules)
    sections = 0 if stage.itinerary is None else len(stage.itinerary.sections)
    if wanted.section is not None and not 0 <= wanted.section < sections:
        raise ConfigurationError(f"there is no section {wanted.section + 1}", hint=f"there are {sections}")
    return stage


def _changes_driving(rules: Rules, recorded: Rules) -> bool:
    """Whether rules differ in what the live computation uses; penalties are the review's alone."""
    alike = {"name": "", "penalties": recorded.penalties, "missed": recorded.missed}
    alike["not_finished"] = recorded.not_finished
    return dataclasses.replace(rules, **alike) != dataclasses.replace(recorded, name="")  # type: ignore[arg-type]


def _fitting(evidence: Evidence, wanted: Wanted) -> Evidence:
    """The evidence, with a remark if the itinerary is of somewhere else."""
    return (
        evidence
        if wanted.itinerary is None
        else dataclasses.replace(evidence, checked_itinerary=str(wanted.itinerary))
    )


PAGES_AT = 28
"""Where SQLite's header says how many pages the file has; at 16 how large they are (1 means 65,536)."""


def log_connection(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    """A connection that can only read. Raises LogError."""
    return open_cut_short(path) if _is_cut_short(path) else open_log_readonly(path)


def _is_cut_short(path: Path) -> bool:
    """Whether a log is shorter than its header says: SQLite would not even open it."""
    with path.open("rb") as file:
        head = file.read(PAGES_AT + 4)
    page_bytes = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[PAGES_AT:], "big")
    return path.stat().st_size < pages * (page_bytes if page_bytes > 1 else 65_536) and not has_wal(path)
