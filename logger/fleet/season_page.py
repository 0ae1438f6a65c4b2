"""Render a reviewed season as one HTML page: cars and stages with links to their reviews, class tables, and trends.

All text is escaped and shortened: a store is untrusted input, and a hostile log costs no row but its own. The page has
no script.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Final, NamedTuple

from firmware_bridge.printable import printable
from logger.comparison.standings import Standings
from logger.fleet.belt import BeltTime
from logger.fleet.catalogue import Entry
from logger.fleet.review import Run, Verdict
from logger.fleet.season_figures import Block, Cell, Trend, blocks_of, trends
from logger.fleet.trend_curve import curve
from logger.review import standings_tables
from logger.review.sheet import Row, shell, table
from logger.review.terminal import penalty_text

MAX_EVENTS: Final = 5
"""Events named in the title."""
MAX_WORD_CHARS: Final = 48
"""Characters of a name in a cell; a hostile one has a thousand."""
MAX_PROBLEMS: Final = 200
"""Logs with a problem listed; the rest is counted."""
MAX_PROBLEM_CHARS: Final = 300


def page_name(entry: Entry) -> str:
    """File name of a log's page, from what the catalogue has checked: never from a name in the log."""
    return f"{entry.event}-{entry.stage}-car-{entry.car}-{entry.log[:12]}.html"


class Season(NamedTuple):
    """A reviewed season: its verdicts in order, class tables by event, and the time on the belt by log."""

    run: Run
    verdicts: Sequence[Verdict]
    standings: Mapping[str, Standings]
    belt: Mapping[str, BeltTime]


def page(season: Season, linked: frozenset[str] = frozenset()) -> str:
    """Render the page. `linked` are the logs, by SHA-256, whose pages are beside it."""
    verdicts = season.verdicts
    blocks = blocks_of(verdicts)
    events = list(dict.fromkeys(_word(block.event_name) for block in blocks))
    title = "Season: " + ", ".join(events[:MAX_EVENTS]) + (" ..." if len(events) > MAX_EVENTS else "")
    cars, stages = (
        {(verdict.entry.event, getattr(verdict.entry, key)) for verdict in verdicts}
        for key in ("car", "stage")
    )
    head = (
        f"<h1>{escape(title)}</h1><p>{_count(verdicts, 'log')}, {_count(cars, 'car')}, {_count(stages, 'stage')}</p>"
        f"<p>rules: {escape(season.run.name)}</p>"
    )
    own_style = files("logger.fleet").joinpath("season.css").read_text(encoding="utf-8")
    return shell(title, f"<header>{head}</header>{''.join(_parts(season, blocks, linked))}", own_style)


def _parts(season: Season, blocks: Sequence[Block], linked: frozenset[str]) -> Iterator[str]:
    for block in blocks:
        title = f"{_word(block.event_name)}: time, penalty and state"
        yield _grid(
            title, block, lambda cell: "<br>".join(_log(verdict, linked) for verdict in cell.verdicts)
        )
    names = {block.event: _word(block.event_name) for block in blocks}
    for event, event_standings in season.standings.items():
        for name, columns, rows in standings_tables.tables(event_standings):
            shown = [Row([printable(cell) for cell in row]) for row in rows]
            yield table(f"{names[event]}: {name}", columns, shown)
    for block in blocks:
        for trend in trends(season.belt):
            yield _trend(trend, block)
    yield _problems(season.verdicts)


def _grid(
    title: str,
    block: Block,
    shown: Callable[[Cell], str],
    scale: str = "",
    curve_of: Callable[[int], str] | None = None,
) -> str:
    """A table of cars and stages. `shown` and `curve_of` give markup: of a cell, and of a car's curve on the scale."""
    heads = [f"<th>{escape(scale)}</th>"] if curve_of else []
    for stage in block.stages:
        name = escape(_word(block.names.get(stage, "")))
        heads.append(f'<th class=n title="{name}">{f"stage {stage}" if stage else "no stage"}</th>')
    rows = []
    for car in block.cars:
        cells = [f"<td>{curve_of(car)}</td>"] if curve_of else []
        cells += [
            f"<td class=n>{shown(block.cells[car, stage]) if (car, stage) in block.cells else ''}</td>"
            for stage in block.stages
        ]
        crew = f"<small>{escape(_word(block.crews[car]))}</small>"
        rows.append(f"<tr><th class=car>{car} {crew}</th>{''.join(cells)}</tr>")
    return (
        f'<section><h2>{escape(title)}</h2><div class="scroll" tabindex="0"><table class="grid"><thead><tr>'
        f"<th class=car>car</th>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _log(verdict: Verdict, linked: frozenset[str]) -> str:
    """One log: its time, which is the link to its page, its penalty and its state."""
    time = (verdict.result.time if verdict.result else "") or "-"
    if verdict.entry.log in linked:
        name = page_name(verdict.entry)
        time = f'<a href="{escape(name)}">{escape(time) if time != "-" else "review"}</a>'
    cost = f" <b class=bad>+{penalty_text(verdict.penalty_s)}</b>" if verdict.penalty_s else ""
    return f"{time}{cost}<small>{state_of(verdict)}</small>"


def state_of(verdict: Verdict) -> str:
    """The state of a log's result, as text."""
    if verdict.result is None:
        return "not judged" if verdict.not_judged else "cannot be reviewed"
    if verdict.not_judged:
        return "not judged"
    state = "finished" if verdict.result.finished else "not finished"
    return f"{state}, see problems" if verdict.error else state


def _trend(trend: Trend, block: Block) -> str:
    """A table of one figure, with a curve over the stages for each car; all curves of a table have one scale."""
    values = {place: value for place, cell in block.cells.items() if (value := trend.of(cell)) is not None}
    if not values:
        return ""
    low, high = (min(max(pick(values.values()), trend.least), trend.most) for pick in (min, max))
    if trend.text(low) == trend.text(high):
        low = high  # a difference that nobody reads is not a slope
    known = [value for value in values.values() if trend.least <= value <= trend.most]
    most = max(known, default=None) if low < high else None

    def shown(cell: Cell) -> str:
        value = trend.of(cell)
        if value is None:
            return "-"
        kind = (
            " class=bad" if not trend.least <= value <= trend.most else " class=most" if value == most else ""
        )
        return f"<span{kind}>{'≥ ' if trend.is_incomplete(cell) else ''}{trend.text(value)}</span>"

    if len(block.stages) == 1:
        return _grid(trend.title, block, shown)
    return _grid(
        trend.title,
        block,
        shown,
        f"{trend.text(low)} to {trend.text(high)}",
        lambda car: curve([values.get((car, stage)) for stage in block.stages], low, high),
    )


def _problems(verdicts: Sequence[Verdict]) -> str:
    lines = [
        verdict.error or f"{verdict.entry.name}: {verdict.not_judged}"
        for verdict in verdicts
        if verdict.error or verdict.not_judged
    ]
    shown = [Row([printable(line, MAX_PROBLEM_CHARS)]) for line in lines[:MAX_PROBLEMS]]
    if len(lines) > MAX_PROBLEMS:
        shown.append(Row([f"and {len(lines) - MAX_PROBLEMS:,} others"]))
    return table(f"Problems ({len(lines)})", ["log"], shown)


def _count(things: Collection[object], name: str) -> str:
    return f"{len(things):,} {name}" + ("s" if len(things) != 1 else "")


def _word(text: str) -> str:
    return printable(text, MAX_WORD_CHARS)
