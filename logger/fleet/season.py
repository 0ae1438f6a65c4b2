"""Results of a season's review: a table of the logs, and class tables per event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from logger.boundary.os_errors import named
from logger.boundary.terminal import json_text
from logger.comparison import standings
from logger.comparison.results import Decisions, Result
from logger.comparison.standings import Standings
from logger.fleet.belt import BeltTime
from logger.fleet.review import Run, Verdict, stage_results
from logger.fleet.store import Store
from logger.review import standings_json, standings_tables
from logger.review.terminal import Table, penalty_text
from logger.stage.rules import NotFinished

LOG_COLUMNS = ["event", "stage", "car", "crew", "time", "max km/h", "over-speeds", "missed", "penalty", ""]


def class_tables(
    verdicts: Sequence[Verdict], earlier: Sequence[Result], decisions: Decisions, *, imposed_only: bool
) -> dict[str, Standings]:
    """Compute the standings of each event; `earlier` are results of stages without a log."""
    tables = {}
    for event, group in groupby(verdicts, key=lambda verdict: verdict.entry.event):
        own = list(group)
        rows = [*stage_results(own), *earlier]
        rules = next((v.not_finished for v in own if v.not_finished is not None), NotFinished())
        if rows:
            tables[event] = standings.standings(rows, decisions, rules, imposed_only=imposed_only)
    return tables


def tables(verdicts: Sequence[Verdict], season: dict[str, Standings]) -> Iterator[Table]:
    """Title, columns and rows of each table."""
    yield "Logs", LOG_COLUMNS, [_row(verdict) for verdict in verdicts]
    for event, event_standings in season.items():
        for title, columns, rows in standings_tables.tables(event_standings):
            yield f"{event}: {title}", columns, rows


def _row(verdict: Verdict) -> list[str]:
    entry, result = verdict.entry, verdict.result
    return [
        entry.event,
        str(entry.stage),
        str(entry.car),
        entry.crew or entry.car_name,
        (result.time if result else "") or "-",
        "-" if verdict.max_kmh is None else f"{verdict.max_kmh:.1f}",
        str(verdict.overspeeds),
        str(verdict.missed),
        penalty_text(verdict.penalty_s),
        "see below" if verdict.error else "",
    ]


def document(
    run: Run, verdicts: Sequence[Verdict], season: dict[str, Standings], belt: Mapping[str, BeltTime]
) -> dict[str, Any]:
    """Verdicts and standings as one JSON object; `belt` is the time on the belt by log."""
    return {
        "run": run.name,
        "logs": [
            {
                "log": verdict.entry.log,
                "name": verdict.entry.name,
                "event": verdict.entry.event,
                "stage": verdict.entry.stage,
                "car": verdict.entry.car,
                "class": verdict.entry.car_class or None,
                "time_s": verdict.result.seconds if verdict.result else None,
                "finished": verdict.result.finished if verdict.result else None,
                "max_kmh": verdict.max_kmh,
                "overspeeds": verdict.overspeeds,
                "missed": verdict.missed,
                "penalty_s": None if verdict.result is None or verdict.not_judged else verdict.penalty_s,
                "not_judged": verdict.not_judged or None,
                "error": verdict.error or None,
                "distance_km": verdict.figures.distance_km,
                "coolant_max_c": verdict.figures.coolant_max_c,
                "engine_running_s": verdict.figures.running_s,
                "belt_running_s": time.running_s if (time := belt.get(verdict.entry.log)) else None,
                "belt_complete": time.complete if time else None,
            }
            for verdict in verdicts
        ],
        "standings": {
            event: standings_json.document(event_standings) for event, event_standings in season.items()
        },
    }


def save(store: Store, run: Run, season: dict[str, Any]) -> None:
    """Write the document to the run's folder."""
    with named(store.shown), store.work_folder() as work_folder:
        new_file = work_folder / "new"
        new_file.write_text(json_text(season, "utf-8", indent=1), encoding="utf-8")
        store.place(new_file, f"{run.folder}season.json")
