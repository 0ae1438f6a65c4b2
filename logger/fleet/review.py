"""Review every log of a store again with `logger/review`, in a loop or on workers.

A task consists of a store's URL and a log's row. The worker reads the log from the store and writes the results to the
store; it returns only a few figures. So a worker's memory does not grow with the number of logs, and a task that runs
twice, because a worker died, leaves the same files.

    STORE/review/RUN/json/SHA256.json            the document of `stagelog review --json`
    STORE/review/RUN/html/SHA256.html            its page, only for `fleet review -o`
    STORE/review/RUN/TABLE/event=.../...         section, overspeed, quality under these rules
    STORE/review/RUN/season.json                 verdicts and class tables
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from firmware_bridge.errors import ConfigurationError, LogError, StagelogError
from firmware_bridge.printable import printable
from logger.boundary.file_names import within
from logger.boundary.os_errors import FULL, line_of, named
from logger.boundary.terminal import json_text
from logger.comparison.results import Result
from logger.comparison.standings import result_of
from logger.config.input_files import read_text
from logger.fleet import tables
from logger.fleet.add import restore
from logger.fleet.catalogue import Entry
from logger.fleet.log_figures import LogFigures, figures_of
from logger.fleet.review_tables import document_tables
from logger.fleet.store import Store
from logger.fleet.work_folder import local_work_folder
from logger.judgement.open_evidence import ReviewOptions, open_evidence, rules_of
from logger.judgement.penalties import MODELS
from logger.judgement.report import report_of
from logger.logfile.naming import slug
from logger.review import json
from logger.stage.rules import NotFinished

RECORDED = "recorded"
"""Name of the run under each log's own rules."""


@dataclass(frozen=True, slots=True)
class Run:
    """Rules of one review of the store. `rules` is a model's name or the text of a rules file; None: the logs' own."""

    store: str
    name: str
    rules: str | None = None
    rules_file: str = ""
    pages: bool = False
    """Whether the page of each log is written too."""

    def page(self, entry: Entry) -> str:
        """Path of a log's page in the store."""
        return f"{self.folder}html/{entry.log}.html"

    @property
    def folder(self) -> str:
        """Folder of its results in the store, with a trailing slash."""
        return f"review/{self.name}/"


class Verdict(NamedTuple):
    """Result of one log. `error` is a line, "" if there is none; `exit_code` belongs to it.

    `not_judged` is why nothing can be judged, or "".
    """

    entry: Entry
    result: Result | None
    not_finished: NotFinished | None
    penalty_s: float = 0.0
    overspeeds: int = 0
    max_kmh: float | None = None
    missed: int = 0
    not_judged: str = ""
    error: str = ""
    exit_code: int = 0
    figures: LogFigures = LogFigures()
    has_page: bool = False


Done = Callable[[float], None]
Judge = Callable[[Run, list[Entry]], Iterator[Verdict]]
"""Reviews logs and yields verdicts in any order: `judge_in_loop`, or a cluster."""


def run_of(store: Store, rules: str | None) -> Run:
    """Create a run for a rules file, a penalty model, or None; equal rules give equal names.

    Raises ConfigurationError.
    """
    if rules is None:
        return Run(store.url, RECORDED)
    rules_of(ReviewOptions(rules=rules))  # raises once here for invalid rules
    if rules.lower().replace("-", "_") in MODELS:
        return Run(store.url, slug(rules), rules)
    path = Path(rules)
    text = read_text(path)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return Run(store.url, f"{slug(path.stem)}-{digest}", text, path.name)


def judge(run: Run, entry: Entry) -> Verdict:
    """Review one log and write the results to the store. Problems of the log become the verdict's error.

    Raises OSError for a full disk: the next log would fail too.
    """
    store = Store(run.store)
    try:
        with named(store.shown), store.work_folder() as work_folder, local_work_folder() as folder:
            return _judge(run, entry, store, work_folder, folder)
    except (StagelogError, OSError) as error:
        if getattr(error, "errno", None) in FULL:
            raise
        return Verdict(entry, None, None, error=line_of(error), exit_code=getattr(error, "exit_code", 74))
    except Exception as error:  # noqa: BLE001 - an untrusted log must not stop the others
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
    with open_evidence(log, ReviewOptions(rules=rules), lambda _done: None) as (
        evidence,
        log_rules,
        connection,
    ):
        report = report_of(evidence, log_rules, connection, is_drawn=False)
    document = json.document(report)
    new_file = work_folder / "new"
    for table, rows in document_tables(document, entry.log).items():
        tables.write(new_file, table, [rows])
        store.place(new_file, entry.path(table, run.folder))
    new_file.write_text(json_text(document, "utf-8", indent=1), encoding="utf-8")
    store.place(new_file, f"{run.folder}json/{entry.log}.json")
    if run.pages:
        from logger.review.html import page  # noqa: PLC0415 - only for pages

        new_file.write_text(page(report), encoding="utf-8", errors="backslashreplace")
        store.place(new_file, run.page(entry))
    problem, result = report.problem, None
    try:
        result = result_of(report)
    except ConfigurationError as error:  # without a stage there is no result, but there are figures
        problem = error
    return Verdict(
        entry,
        result,
        log_rules.not_finished,
        report.penalty_s,
        len(report.overspeeds),
        max((section.max_kmh for section in report.sections if section.max_kmh is not None), default=None),
        sum(point.state == "missed" for point in report.waypoints),
        report.not_judged,
        str(problem) if problem else "",
        problem.exit_code if problem else 0,
        figures_of(report),
        run.pages,
    )


def judge_in_loop(run: Run, logs: list[Entry]) -> Iterator[Verdict]:
    """Review logs one after the other in this process."""
    for entry in logs:
        yield judge(run, entry)


def review(run: Run, logs: list[Entry], judge_logs: Judge, progress: Done) -> list[Verdict]:
    """Review logs, and return the verdicts in the order of the logs."""
    verdicts = {}
    for number, verdict in enumerate(judge_logs(run, logs), 1):
        verdicts[verdict.entry.log] = verdict
        progress(number / len(logs))
    return [verdicts[entry.log] for entry in logs]


def stage_results(verdicts: Iterable[Verdict]) -> list[Result]:
    """The results of the logs that have one and belong to a stage."""
    return [verdict.result for verdict in verdicts if verdict.result is not None and verdict.entry.stage_name]
