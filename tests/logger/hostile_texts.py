"""Hostile names for every text field: logs, configurations, routes, tables."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from logger.config import configuration as configs
from tests.logger import drives

HOSTILE = (
    "=HYPERLINK(1)\x1b[2J\x1b]0;title\x07\x1b]8;;http://evil.example\x1b\\here\x1b]8;;\x1b\\ [red]red[/red] "
    "[link=http://evil.example]x[/link] :smile: {task} %s one\r\ntwo\tthree\x9b31m\x7f\u202egnp\u2066\u2028<b>&\ufeff"
)
"""Clears the screen, names the window, links, colours, forges a line, turns the direction of reading."""
TOML = json.dumps(HOSTILE)
"""As a string of TOML, which has JSON's escapes."""
FILE = b"stage\x1b[31m\xff\n[red]-001.db"
"""A file name that is no UTF-8."""


def stray(text: str, more: str = "") -> list[str]:
    """The characters in an output that a terminal would obey: every unprintable one except line ends."""
    return sorted({character for character in text if not character.isprintable()} - {"\n", *more})


def itinerary() -> str:
    """The short stage with hostile names; it is valid."""
    text = drives.ITINERARY
    for name in ('"Test"', '"Short"', '"SS7"', '"WPM1"', '"CP1"', '"Fuel"', '"ASS"', '"Home"'):
        text = text.replace(f"= {name}", f"= {json.dumps(name[1:3] + HOSTILE)}")
    return text


def write_log(path: Path, *, is_sound: bool = True) -> Path:
    """A log of the short stage. Unless `is_sound`, it also has kinds, ports and sources that no recorder writes."""
    car = configs.Car(71, HOSTILE, HOSTILE, (HOSTILE, HOSTILE))
    drives.write_log(path, drives.fixes(drives.plan(600), 1), car, itinerary())
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE channel SET name = ? || name, unit = ?, source = ?", (HOSTILE,) * 3)
        connection.execute("UPDATE session SET boot_id = ?, software = ?", (HOSTILE,) * 2)
        connection.execute("UPDATE meta SET value = ? WHERE key IN ('software', 'stage')", (HOSTILE,))
        connection.execute("INSERT INTO rejected VALUES (1, 5, ?, ?, x'1b5b324a')", (HOSTILE,) * 2)
        mark = json.dumps({"text": HOSTILE, "port": HOSTILE, "what": HOSTILE})
        connection.execute("INSERT INTO event VALUES (1, 5, 'mark', ?)", (mark,))
        if not is_sound:
            connection.execute("INSERT INTO sentence VALUES (1, 5, ?, ?)", ("gps", f"$GPXXX,{HOSTILE}"))
            connection.execute("UPDATE sentence SET port = ?", (HOSTILE,))
            connection.execute("UPDATE event SET kind = ? || kind WHERE rowid % 2", (HOSTILE,))
            connection.execute("INSERT INTO meta VALUES (?, ?)", (f"dbc:{HOSTILE}", f"BO_ {HOSTILE}"))
            connection.execute("UPDATE meta SET value = value || ? WHERE key = 'itinerary'", (HOSTILE,))
        connection.commit()
    return path


def strings_replaced(value: Any) -> Any:
    """JSON with every string replaced by a hostile one."""
    if isinstance(value, dict):
        return {key: strings_replaced(one) for key, one in value.items()}
    if isinstance(value, list):
        return [strings_replaced(one) for one in value]
    return HOSTILE if isinstance(value, str) else value
