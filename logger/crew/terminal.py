"""`stagelog watch`: show the live state in a terminal.

Uses the same feed as the crew page, drawn with rich; shows when the recorder is away and reconnects. A pipe gets one
plain line per second.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from firmware_bridge.errors import DeviceError
from firmware_bridge.printable import printable
from logger.boundary.console import PlainConsole
from logger.boundary.terminal import echo, echo_json
from logger.crew.compliance import Compliance
from logger.crew.feed import FRESH_S, Feed, News

REFRESH_S = 0.25
LINE_S = 1.0
FIRST_TIMEOUT_S = 3.0
"""Several snapshot periods: a recorder that is silent for this long is not running."""
GONE_S = 5.0
GONE = "--"
_UNREADABLE = "the live state is damaged, or of another version: restart the recorder"
_ODD = (AttributeError, KeyError, TypeError, ValueError, OverflowError)
"""What a value of another type raises, where it is drawn."""
_LEVELS = {"critical": "bold white on red", "warn": "bold black on yellow", "info": "bold white on blue"}


async def watch(live_socket: Path, *, once: bool, compliant: bool, as_json: bool) -> None:
    """Show the state until cancelled. With `once` raises DeviceError if there is no recorder."""
    feed = Feed(live_socket, Compliance(applies=compliant))
    logging.getLogger(Feed.__module__).setLevel(
        logging.CRITICAL
    )  # the screen shows it, and log lines would damage it
    following = asyncio.create_task(feed.run())
    try:
        if once:
            await _print_once(feed, live_socket, as_json=as_json)
        elif as_json:
            await _print_documents(feed)
        elif sys.stdout.isatty():
            await _draw(feed)
        else:
            while True:
                echo(line(feed.news, _age_s(feed.news)))
                await asyncio.sleep(LINE_S)
    finally:
        following.cancel()


async def _print_once(feed: Feed, live_socket: Path, *, as_json: bool) -> None:
    news = await _first(feed)
    if news is None:
        hint = "start it: stagelog run"
        raise DeviceError(feed.news.why or "silent", where=str(live_socket), hint=hint)
    if as_json:
        echo_json(news.snapshot, indent=None)
    else:
        PlainConsole().print(picture(news, 0.0))


async def _print_documents(feed: Feed) -> None:
    """Print the state as one document per line; without a live state nothing but a message per reason."""
    reason = None
    await _first(feed)
    while True:
        news = feed.fresh()
        if news is not None:
            echo_json(news.snapshot, indent=None)
        elif feed.news.why != reason:
            echo(f"stagelog: {_missing(feed.news)}", err=True)
        reason = feed.news.why if news is None else None
        await asyncio.sleep(LINE_S)


async def _first(feed: Feed) -> News | None:
    """Wait for a live state; None if there is none in `FIRST_TIMEOUT_S`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(FIRST_TIMEOUT_S):
            while feed.fresh() is None:
                await feed.newer(feed.news)
    return feed.fresh()


async def _draw(feed: Feed) -> None:
    with Live(console=PlainConsole(), screen=True, auto_refresh=False) as screen:
        while True:
            screen.update(picture(feed.news, _age_s(feed.news)), refresh=True)
            await asyncio.sleep(REFRESH_S)


def line(news: News, age_s: float) -> str:
    """The state as one line."""
    state = news.snapshot
    if state is None or age_s > GONE_S:
        return _missing(news)
    try:
        return _line(state)
    except _ODD:
        return _UNREADABLE


def _line(state: Mapping[str, Any]) -> str:
    section, limit = _group(state, "section"), _group(state, "limit")
    alarms = ", ".join(str(alarm.get("name")) for alarm in state.get("alarms") or ())
    return (
        f"{_clock(state.get('utc'))} {_number(state.get('speed_kmh'), 0)} km/h limit {_number(limit.get('kmh'), 0)} "
        f"{section.get('name') or GONE} km {_number(section.get('distance_km'), 2)} "
        f"average {_number(section.get('average_kmh'), 1)}" + (f" ALARM {alarms}" if alarms else "")
    )


def _missing(news: News) -> str:
    return f"no live state: {news.why or 'the recorder is silent'}"


def picture(news: News, age_s: float) -> RenderableType:
    """The state as a full screen."""
    state = news.snapshot
    if state is None or age_s > GONE_S:
        return Panel(
            _shown(f"No live state: {news.why or 'the recorder is silent'}. Trying again.", "bold red")
        )
    try:
        return _picture(state, age_s)
    except _ODD:
        return Panel(_shown(_UNREADABLE, "bold red"))


def _picture(state: Mapping[str, Any], age_s: float) -> RenderableType:
    parts: list[RenderableType] = []
    if age_s > FRESH_S:
        parts.append(_shown(f" {age_s:.0f} s old: the recorder is silent ", "bold white on red"))
    for alarm in state.get("alarms") or ():
        style = "dim" if alarm.get("acknowledged") else _LEVELS.get(alarm.get("level"), "bold")
        parts.append(_shown(f" {alarm.get('name')}: {alarm.get('message')}{_values(state, alarm)} ", style))
    panels = (_speed(state), _section(state), _trips(state), _splits(state), _engine(state), _health(state))
    return Group(*parts, _head(state), _progress(state), Columns(panels))


def _values(state: Mapping[str, Any], alarm: Mapping[str, Any]) -> str:
    """Return the values that an alarm is about."""
    known = [_group(state, "alarm_values").get(name) or {} for name in alarm.get("channels") or ()]
    shown = [
        f"{_number(each['value'], 1)} {each.get('unit') or ''}".strip()
        for each in known
        if each.get("value") is not None
    ]
    return f" ({', '.join(shown)})" if shown else ""


def _head(state: Mapping[str, Any]) -> Text:
    stage = _group(state, "stage")
    named = " · ".join(str(stage[key]) for key in ("event", "number", "name") if stage.get(key) is not None)
    return _shown(f"{_clock(state.get('utc'))} UTC   {named or 'no stage'}", "bold")


def _progress(state: Mapping[str, Any]) -> RenderableType:
    share = _group(state, "section").get("progress")
    if not isinstance(share, int | float):
        return Text("")
    return Padding(ProgressBar(total=1.0, completed=share), 0)


def _speed(state: Mapping[str, Any]) -> RenderableType:
    limit, coming = _group(state, "limit"), _group(state, "next")
    over = limit.get("over_kmh") or 0.0
    style = "bold white on red" if over > 0 else "bold"
    ahead, slower = limit.get("approaching_m"), limit.get("approaching_kmh")
    rows = {
        "speed": f"{_number(state.get('speed_kmh'), 0)} km/h ({state.get('speed_source') or GONE})",
        "limit": f"{_number(limit.get('kmh'), 0)} {limit.get('zone') or limit.get('reason') or ''}",
        "over": f"+{over:.0f}" if over > 0 else GONE,
        "zone in": GONE if ahead is None else f"{ahead:.0f} m: {_number(slower, 0)}",
        "next": f"{coming.get('name') or GONE} {_number(coming.get('distance_km'), 2)} km",
    }
    return _panel("now", rows, style)


def _section(state: Mapping[str, Any]) -> RenderableType:
    section, countdown = _group(state, "section"), _group(state, "countdown")
    rows = {
        "section": f"{section.get('name') or GONE} ({section.get('kind') or GONE})",
        "km": f"{_number(section.get('distance_km'), 2)} of {_number(section.get('length_km'), 1)}"
        + (" estimated" if section.get("estimated") else ""),
        "elapsed": _duration(section.get("elapsed_s")),
        "average": f"{_number(section.get('average_kmh'), 1)}, moving {_number(section.get('moving_average_kmh'), 1)}",
        "required": _number(section.get("required_kmh"), 1),
        str(countdown.get("kind") or "countdown"): _duration(countdown.get("remaining_s")),
    }
    return _panel("section", rows)


def _trips(state: Mapping[str, Any]) -> RenderableType:
    trips = enumerate(state.get("trip") or (), 1)
    rows = {
        f"trip {number}": f"{_number(trip.get('distance_km'), 2)} km, average {_number(trip.get('average_kmh'), 1)}"
        for number, trip in trips
    }
    return _panel("trips", rows)


def _splits(state: Mapping[str, Any]) -> RenderableType:
    rows = {}
    for split in state.get("splits") or ():
        taken = _duration(_official(split.get("elapsed_s")))
        rows[str(split.get("name"))] = f"{taken}  {_number(split.get('average_kmh'), 1)}{_gap(split)}"
    return _panel("splits", rows)


def _gap(split: Mapping[str, Any]) -> str:
    gap_s = split.get("gap_s")
    return "" if gap_s is None else f"  {gap_s:+.0f} s {split.get('to_beat') or ''}"


def _engine(state: Mapping[str, Any]) -> RenderableType:
    def text(reading: Mapping[str, Any]) -> str:
        value = reading.get("value") if (reading.get("age_s") or 0) < GONE_S else None
        return f"{_number(value, 1)} {reading.get('unit')}"

    return _panel("engine", {name: text(reading) for name, reading in _group(state, "engine").items()})


def _health(state: Mapping[str, Any]) -> RenderableType:
    gps, recording = _group(state, "gps"), _group(state, "recording")
    position = ", ".join(_number(gps.get(key), 5) for key in ("lat", "lon"))
    rows = {
        "fix": f"quality {gps.get('quality')}, {gps.get('satellites')} satellites, {_number(gps.get('age_s'), 1)} s",
        "position": "hidden in the timed section" if state.get("compliance") else position,
        "log": f"{'ok' if recording.get('ok') else 'NOT WRITTEN'}, {recording.get('rows')} rows, "
        f"{recording.get('dropped')} lost, {recording.get('free_mb')} MB free, {_room(recording.get('room_h'))}",
    } | {
        port: f"{link.get('state')}, {link.get('good')} good, {link.get('bad')} bad"
        for port, link in _group(state, "links").items()
    }
    return _panel("links and log", rows)


def _room(hours: float | None) -> str:
    """How many hours of recording fit on the card."""
    return "room not known" if hours is None else f"room for {hours:.0f} h"


def _panel(title: str, rows: Mapping[str, str], style: str = "") -> Panel:
    table = Table.grid(padding=(0, 2))
    for name, text in rows.items():
        table.add_row(_shown(name, "dim"), _shown(text, style))
    return Panel(table, title=title, expand=False)


def _shown(text: object, style: str = "") -> Text:
    """One line of text, with each non-printable character replaced by a mark."""
    return Text(printable(text), style)


def _group(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    group = state.get(name)
    return group if isinstance(group, Mapping) else {}


def _number(value: Any, places: int) -> str:
    return GONE if value is None else f"{value:.{places}f}"


def _clock(iso: Any) -> str:
    return GONE if iso is None else str(iso)[11:19]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return GONE
    whole = int(abs(seconds))
    return f"{'-' if seconds < 0 else ''}{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _official(seconds: float | None) -> float | None:
    """A control's time in whole seconds, rounded: GPS is a hundredth off, and would turn 24:38 into 24:37."""
    return None if seconds is None else round(seconds)


def _age_s(news: News) -> float:
    return asyncio.get_running_loop().time() - news.at_s
