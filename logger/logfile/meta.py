"""Read a log's `meta`: texts by key, bounded in size, and their JSON, checked for its shape.

A log may come from a stranger. A text longer than a recorder writes is reported and skipped, and a value of the wrong
shape counts as missing: the rest of the log stays usable.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from firmware_bridge.engine.dbc_statements import MAX_DBC_BYTES
from firmware_bridge.errors import LogError
from firmware_bridge.printable import printable
from logger.boundary import untrusted_json
from logger.tomlconfig.limits import MAX_CHARS

log = logging.getLogger(__name__)

META_PREFIX: Final = "dbc:"
"""Prefix of the keys of DBC files; the file's name follows."""
_MAX_KEYS: Final = 1000
"""A log has a dozen, plus one per DBC file."""
_MAX_STATE_CHARS: Final = 4 * 1024 * 1024
"""The live computation's state has about 20,000."""
_MAX_OTHER_CHARS: Final = 64 * 1024
"""For the names of the car, its crew, ports and buses."""
_MAX: Final = {"itinerary": MAX_CHARS, "rules": MAX_CHARS, "state": _MAX_STATE_CHARS}
_MAX_NUMBER: Final = 99_999
"""The highest car number that the configuration accepts."""
_MAX_NAME_CHARS: Final = 200
_MAX_PORTS: Final = 100
"""A car has two or three; each CAN bus of a log has one."""
_MAX_CREW: Final = 20
"""A truck has three."""
_T = TypeVar("_T")


def meta_of(connection: sqlite3.Connection) -> dict[str, str]:
    """All texts of a log's `meta` by key. Raises LogError for more keys or bytes than a recorder writes."""
    texts: dict[str, str] = {}
    remaining_bytes = _stored_bytes(connection)
    rows = connection.execute(
        "SELECT key, length(value), iif(length(value) <= ?, value, NULL) FROM meta"
        " WHERE typeof(key) = 'text' AND typeof(value) = 'text' ORDER BY rowid",
        (MAX_DBC_BYTES,),
    )
    for key, chars, text in rows:
        maximum = MAX_DBC_BYTES if key.startswith(META_PREFIX) else _MAX.get(key, _MAX_OTHER_CHARS)
        remaining_bytes -= chars
        if len(texts) >= _MAX_KEYS or remaining_bytes < 0:
            raise LogError(
                "its meta has more entries than a recorder writes", hint="run `stagelog verify` for details"
            )
        if chars > maximum:
            log.warning(
                "the log's %s is skipped: it has %d characters, the limit is %d",
                printable(key),
                chars,
                maximum,
            )
        else:
            texts[key] = text
    return texts


def _stored_bytes(connection: sqlite3.Connection) -> int:
    pages, page_bytes = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    return int(pages * page_bytes)


def json_of(meta: Mapping[str, str], key: str, default: _T) -> _T:
    """The JSON value of a key if it has the default's type, otherwise the default."""
    try:
        value = untrusted_json.loads(meta[key])
    except (KeyError, ValueError):
        return default
    return value if type(value) is type(default) else default


def car_of(meta: Mapping[str, str]) -> dict[str, Any]:
    """The valid ones among number, name, class and crew of the car."""
    car = json_of(meta, "car", dict[str, Any]())
    number, crew = car.get("number"), car.get("crew")
    known: dict[str, Any] = {}
    if "number" in car:
        known["number"] = number if type(number) is int and 0 <= number <= _MAX_NUMBER else None
    for key in ("name", "class"):
        if key in car:
            known[key] = _name(car[key])
    if "crew" in car:
        known["crew"] = [_name(member) for member in crew[:_MAX_CREW]] if isinstance(crew, list) else []
    return known


def ports_of(meta: Mapping[str, str]) -> list[dict[str, str]]:
    """Name and protocol of each port that the log was recorded from."""
    ports = json_of(meta, "ports", list[Any]())[:_MAX_PORTS]
    return [
        {key: _name(port.get(key)) for key in ("name", "protocol")}
        for port in ports
        if isinstance(port, dict)
    ]


def _name(value: object) -> str:
    return value[:_MAX_NAME_CHARS] if isinstance(value, str) else ""
