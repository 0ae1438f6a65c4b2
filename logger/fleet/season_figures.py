"""Figures of a season by car and stage: the cells of the index, and its trends.

Pure values from the verdicts of a review; several logs of a car in a stage are one cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from logger.boundary.time_text import elapsed_text
from logger.fleet.belt import BeltTime
from logger.fleet.catalogue import Entry
from logger.fleet.review import Verdict
from logger.review.terminal import penalty_text

MAX_STAGES: Final = 20
"""Columns of a table; a rally has 15 stages. Further stages follow in further tables."""
HOUR_S: Final = 3600.0


class Cell(NamedTuple):
    """A car in a stage: its logs."""

    verdicts: tuple[Verdict, ...]


class Block(NamedTuple):
    """Up to `MAX_STAGES` stages of an event, and the cars that have a log in one of them.

    `cells` are by car and stage. `names` are those of the stages, `crews` those of the cars.
    """

    event: str
    event_name: str
    stages: tuple[int, ...]
    cars: tuple[int, ...]
    cells: Mapping[tuple[int, int], Cell]
    names: Mapping[int, str]
    crews: Mapping[int, str]


class Trend(NamedTuple):
    """A figure per car and stage. `of` is the figure of a cell, None where it is unknown; `text` writes it as the
    review does. `least` and `most` bound the scale of its curves: a value beyond is an error of a sensor or a log, and
    is drawn at the edge."""

    title: str
    least: float
    most: float
    of: Callable[[Cell], float | None]
    text: Callable[[float], str]
    is_incomplete: Callable[[Cell], bool] = lambda _cell: False


def blocks_of(verdicts: Iterable[Verdict]) -> list[Block]:
    """The tables of a season, from verdicts in its order."""
    blocks = []
    for event, group in groupby(verdicts, key=lambda verdict: verdict.entry.event):
        logs = list(group)
        stages = sorted({verdict.entry.stage for verdict in logs})
        for first in range(0, len(stages), MAX_STAGES):
            blocks.append(_block(event, stages[first : first + MAX_STAGES], logs))
    return blocks


def _block(event: str, stages: Sequence[int], logs: Sequence[Verdict]) -> Block:
    cells: dict[tuple[int, int], list[Verdict]] = {}
    names: dict[int, str] = {}
    crews: dict[int, str] = {}
    wanted = set(stages)
    own = [verdict for verdict in logs if verdict.entry.stage in wanted]
    for verdict in own:
        entry = verdict.entry
        cells.setdefault((entry.car, entry.stage), []).append(verdict)
        names[entry.stage] = names.get(entry.stage) or entry.stage_name
        crews[entry.car] = crews.get(entry.car) or _crew(entry)
    event_name = next((verdict.entry.event_name for verdict in own if verdict.entry.event_name), event)
    return Block(
        event,
        event_name,
        tuple(stages),
        tuple(sorted(crews)),
        {place: Cell(tuple(each)) for place, each in cells.items()},
        names,
        crews,
    )


def _crew(entry: Entry) -> str:
    return entry.crew or entry.car_name


def trends(belt: Mapping[str, BeltTime]) -> tuple[Trend, ...]:
    """The trends of a season; `belt` holds the time on the belt by log."""

    def last(cell: Cell) -> BeltTime | None:
        times = [belt[verdict.entry.log] for verdict in cell.verdicts if verdict.entry.log in belt]
        return times[-1] if times else None

    def belt_s(cell: Cell) -> float | None:
        time = last(cell)
        return None if time is None else time.running_s

    def lacks_a_log(cell: Cell) -> bool:
        time = last(cell)
        return time is not None and not time.complete

    return (
        Trend("Highest coolant temperature (°C)", -40.0, 160.0, _hottest_c, "{:.4g}".format),
        Trend(
            "Penalties",
            0.0,
            36 * HOUR_S,
            _penalty_s,
            lambda seconds: penalty_text(seconds).replace("-", "0 s"),
        ),
        Trend("Distance driven (km)", 0.0, 3000.0, _distance_km, "{:,.2f}".format),
        Trend(
            "Engine hours on the belt after the stage", 0.0, 1000 * HOUR_S, belt_s, elapsed_text, lacks_a_log
        ),
    )


def _hottest_c(cell: Cell) -> float | None:
    return max((c for v in cell.verdicts if (c := v.figures.coolant_max_c) is not None), default=None)


def _penalty_s(cell: Cell) -> float | None:
    judged = [verdict.penalty_s for verdict in cell.verdicts if verdict.result and not verdict.not_judged]
    return sum(judged) if judged else None


def _distance_km(cell: Cell) -> float | None:
    driven = [km for v in cell.verdicts if (km := v.figures.distance_km) is not None]
    return sum(driven) if driven else None
