"""Every log of a store judged again: `logger/review` itself, once for each, wherever there is a processor.

A piece of work is a store's address and a log's row: small. Whoever does it reads the log out of the store and writes
what comes out into the store; only a line of figures comes back. So the memory of a worker does not grow with the
number of logs, and a piece that is done twice, because a worker died, leaves the same files.

    STORE/review/RUN/json/SHA256.json            what `stagelog review --json` says of the log
    STORE/review/RUN/TABLE/event=.../...         section, overspeed, quality under these rules
    STORE/review/RUN/season.json                 verdicts and class tables
"""

from __future__ import annotations

import hashlib
import json as encoding
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from firmware_bridge.errors import LogError, StagelogError
from firmware_bridge.printable import printable
from logger.boundary.file_names import within
from logger.boundary.os_errors import FULL, line_of, named
from logger.config.input_files import read_text
from logger.fleet import tables
from logger.fleet.add import restore
from logger.fleet.catalogue import Entry
from logger.fleet.review_tables import document_tables
from logger.fleet.store import Store
from logger.fleet.work_folder import local_work_folder
from logger.logfile.naming import slug
from logger.review import json
from logger.review.open_evidence import ReviewOptions, open_evidence, rules_of
from logger.review.penalties import MODELS
from logger.review.report import report_of
from logger.review.results import Result
from logger.review.standings import result_of
from logger.stage.rules import NotFinished

RECORDED = "recorded"
"""The run by the rules that each log brings."""


@dataclass(frozen=True, slots=True)
class Run:
    """How the logs are to be judged. `rules` is a model's name, or what a rules file says; None is the logs' own."""

    store: str
    name: str
    rules: str | None = None
    rules_file: str = ""

    @property
    def folder(self) -> str:
        """Where in the store its results are, with a slash."""
        return f"review/{self.name}/"


class Verdict(NamedTuple):
    """What came of one log. `error` is a line, "" if all is well, and `exit_code` goes with it."""

    entry: Entry
    result: Result | None
    not_finished: NotFinished | None
    penalty_s: float = 0.0
    overspeeds: int = 0
    max_kmh: float | None = None
    missed: int = 0
    error: str = ""
    exit_code: int = 0


Done = Callable[[float], None]
Judge = Callable[[Run, list[Entry]], Iterator[Verdict]]
"""Judges logs in any order: `judge_in_loop`, or a cluster."""


def run_of(store: Store, rules: str | None) -> Run:
    """A run under a rules file, a penalty model, or None; the same rules give the same name.

    Raises ConfigurationError.
    """
    if rules is None:
        return Run(store.url, RECORDED)
    rules_of(ReviewOptions(rules=rules))  # what is wrong with them is said here, once
    if rules.lower().replace("-", "_") in MODELS:
        return Run(store.url, slug(rules), rules)
    path = Path(rules)
    text = read_text(path)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Run(store.url, f"{slug(path.stem)}-{digest}", text, path.name)


def judge(run: Run, entry: Entry) -> Verdict:
    """Review one log and write what comes out into the store. Never raises for what is wrong with the log.

    A full disk is raised: the next log would fail like this one.
    """
    store = Store(run.store)
    try:
        with named(store.shown), store.work_folder() as work_folder, local_work_folder() as folder:
            return _judge(run, entry, store, work_folder, folder)
    except (StagelogError, OSError) as error:
        if getattr(error, "errno", None) in FULL:
            raise
        return Verdict(entry, None, None, error=line_of(error), exit_code=getattr(error, "exit_code", 74))
    except Exception as error:  # noqa: BLE001 - a log of strangers: whatever it leads to, the others are reviewed
        what = f"{entry.name}: cannot be reviewed: {printable(error) or type(error).__name__}"
        return Verdict(entry, None, None, error=what, exit_code=LogError.exit_code)


def _judge(run: Run, entry: Entry, store: Store, work_folder: Path, folder: Path) -> Verdict:
    rules = run.rules
    if run.rules_file and run.rules is not None:
        rules_file = within(folder / "rules", run.rules_file)
        rules_file.parent.mkdir()
        rules_file.write_text(run.rules, encoding="utf-8")
        rules = str(rules_file)
    log = restore(store, entry, folder)
    with open_evidence(log, ReviewOptions(rules=rules), lambda _done: None) as (evidence, chosen, connection):
        report = report_of(evidence, chosen, connection)
    document = json.document(report)
    made = work_folder / "made"
    for table, rows in document_tables(document, entry.log).items():
        tables.write(made, table, [rows])
        store.place(made, entry.path(table, run.folder))
    made.write_text(encoding.dumps(document, indent=1, ensure_ascii=False, allow_nan=False), encoding="utf-8")
    store.place(made, f"{run.folder}json/{entry.log}.json")
    wrong = report.problem
    return Verdict(
        entry,
        result_of(report),
        chosen.not_finished,
        report.penalty_s,
        len(report.overspeeds),
        max((section.max_kmh for section in report.sections if section.max_kmh is not None), default=None),
        sum(point.state == "missed" for point in report.waypoints),
        str(wrong) if wrong else "",
        wrong.exit_code if wrong else 0,
    )


def judge_in_loop(run: Run, found: list[Entry]) -> Iterator[Verdict]:
    """One after the other, in this process."""
    for entry in found:
        yield judge(run, entry)


def review(run: Run, found: list[Entry], judged: Judge, progress: Done) -> list[Verdict]:
    """Judge logs, and list the verdicts in the order of the logs."""
    verdicts = {}
    for number, verdict in enumerate(judged(run, found), 1):
        verdicts[verdict.entry.log] = verdict
        progress(number / len(found))
    return [verdicts[entry.log] for entry in found]


def stage_results(found: Iterable[Verdict]) -> list[Result]:
    """The results of those that have one and belong to a stage."""
    return [verdict.result for verdict in found if verdict.result is not None and verdict.entry.stage_name]
