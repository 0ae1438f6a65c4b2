"""What a log's `meta` says: texts by key, of bounded size, and the JSON in them in the shape that a recorder writes.

A log may come from anybody. A text that is longer than any recorder writes is reported and left out, and a value of
another shape counts as missing: the rest of the log is worth having without it.
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
from logger.tomlconfig.limits import MOST_CHARS

log = logging.getLogger(__name__)

META_PREFIX: Final = "dbc:"
"""Before a DBC's name in the keys."""
_MOST_KEYS: Final = 1000
"""A log has a dozen, and one for each DBC file."""
_MOST_STATE_CHARS: Final = 4 * 1024 * 1024
"""The live computation's state has some 20,000."""
_MOST_OTHER_CHARS: Final = 64 * 1024
"""Names of the car, its crew, ports and buses."""
_MOST: Final = {"itinerary": MOST_CHARS, "rules": MOST_CHARS, "state": _MOST_STATE_CHARS}
_MOST_NUMBER: Final = 99_999
"""Of a car, by its configuration."""
_MOST_NAME_CHARS: Final = 200
_MOST_CREW: Final = 20
"""Three are in a truck."""
_T = TypeVar("_T")


def meta_of(connection: sqlite3.Connection) -> dict[str, str]:
    """All texts of a log's `meta` by key. Raises LogError where there are more than any recorder writes."""
    texts: dict[str, str] = {}
    left = _stored_bytes(connection)
    rows = connection.execute(
        "SELECT key, length(value), iif(length(value) <= ?, value, NULL) FROM meta"
        " WHERE typeof(key) = 'text' AND typeof(value) = 'text' ORDER BY rowid",
        (MAX_DBC_BYTES,),
    )
    for key, chars, text in rows:
        most = MAX_DBC_BYTES if key.startswith(META_PREFIX) else _MOST.get(key, _MOST_OTHER_CHARS)
        left -= chars
        if len(texts) >= _MOST_KEYS or left < 0:
            raise LogError(
                "its meta has more texts than any recorder writes", hint="`stagelog verify` says more"
            )
        if chars > most:
            log.warning(
                "the log's %s is left out: %d characters are more than %d", printable(key), chars, most
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
    """The JSON under a key where it is of the default's kind, else the default."""
    try:
        found = untrusted_json.loads(meta[key])
    except (KeyError, ValueError):
        return default
    return found if type(found) is type(default) else default


def car_of(meta: Mapping[str, str]) -> dict[str, Any]:
    """Number, name, class and crew of the car, as far as they are known and can be."""
    car = json_of(meta, "car", dict[str, Any]())
    number, crew = car.get("number"), car.get("crew")
    known: dict[str, Any] = {}
    if "number" in car:
        known["number"] = number if type(number) is int and 0 <= number <= _MOST_NUMBER else None
    for key in ("name", "class"):
        if key in car:
            known[key] = _name(car[key])
    if "crew" in car:
        known["crew"] = [_name(one) for one in crew[:_MOST_CREW]] if isinstance(crew, list) else []
    return known


def _name(said: object) -> str:
    return said[:_MOST_NAME_CHARS] if isinstance(said, str) else ""
