"""`GET /api/logs`: list the logs with a summary of each, for the logs page and `stagelog fetch`.

    {"logs": [{name, state, size, stage, begun_utc, duration_s, distance_km, identity, session, t_us, rows,
               etag, sha256, delivered, sending, protected, withheld, trouble}],
     "exports": [{format, opens_in}], "reviews": true, "stick": {state, detail, age_s, last_log, last_utc}}

`state` is "recording", "open" (not closed: the power was cut), "closed" or "damaged". `etag` is set if a download
needs no copying or hashing. `delivered` is true if a client or a USB stick has all of the log; `sending` is the share
sent of a download in progress, or null. `protected`: never removed to make room. `withheld` is the reason why it is
not served now, or null. `stick` is the live state of the stick, and the last log that one received. A log that has not
changed since the last listing is not opened again.
"""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from firmware_bridge.errors import LogError
from logger.boundary.extras import is_installed
from logger.boundary.utc_text import utc_text
from logger.crew.compliance import WITHHELD, recorded
from logger.crew.copies import Copies, Stamp, stamp_of
from logger.crew.downloads import Downloads
from logger.crew.exports import formats
from logger.crew.feed import Feed
from logger.crew.ranges import tag
from logger.export.formats import FORMATS
from logger.logfile import border, reader
from logger.logfile.naming import is_quarantined
from logger.retention.log_directory import delivered, is_protected
from logger.transfer import ledger
from logger.transfer.state import read_state

_DISTANCE = """
WITH seen AS (SELECT section, distance_m FROM progress WHERE abs(distance_m) < 1e9 AND typeof(distance_m) <> 'text')
SELECT coalesce(
  (SELECT sum(far) FROM
    (SELECT max(distance_m) AS far FROM seen WHERE section IS NOT NULL GROUP BY section)),
  (SELECT max(distance_m) FROM seen))
"""
"""Metres driven: the sum of each section's largest distance, because a session continues the one before.
Without sections, the largest distance: outside a section the rows hold the day's total."""

_QUARANTINED = "quarantined: the recorder could not continue in it"


class Listing:
    """The list of logs, with cached summaries."""

    def __init__(self, copies: Copies, downloads: Downloads) -> None:
        self._copies, self._downloads = copies, downloads
        self._known: dict[str, tuple[Stamp, dict[str, Any]]] = {}
        self._lock = asyncio.Lock()

    async def answer(self, request: Request) -> Response:
        """The endpoint of `/api/logs`."""
        feed: Feed = request.app.state.feed
        async with self._lock:
            try:
                entries, last = await asyncio.to_thread(self._entries, _recorded_name(feed))
            except LogError as error:
                raise HTTPException(503, str(error)) from error
        for entry in entries:
            entry["withheld"] = WITHHELD if feed.withholds(entry["name"]) else None
            entry["sending"] = self._downloads.sending(entry["name"])
        headers = {"cache-control": "no-store"}
        exports = [{"format": name, "opens_in": FORMATS[name].opens_in} for name in formats()]
        offers = {"exports": exports, "reviews": is_installed("numpy")}
        stick = _stick(feed) | {"last_log": last and last.name, "last_utc": last and last.utc}
        return JSONResponse({"logs": entries, **offers, "stick": stick}, headers=headers)

    def _entries(self, recorded_name: str | None) -> tuple[list[dict[str, Any]], ledger.Delivered | None]:
        """Each log, and the last one that a stick received: the stick's ledger is beside the logs."""
        names = self._copies.names()
        reached = delivered((self._copies.state, self._copies.logs))
        on_sticks = ledger.read(self._copies.logs)
        self._known = {name: known for name, known in self._known.items() if name in names}
        entries = [self._entry(name, recorded_name, reached.get(name, set())) for name in names]
        return entries, on_sticks[-1] if on_sticks else None

    def _entry(self, name: str, recorded_name: str | None, reached: set[tuple[int, int]]) -> dict[str, Any]:
        path = self._copies.logs / name
        try:
            stamp = stamp_of(path)
            if name not in self._known or self._known[name][0] != stamp:
                self._known[name] = stamp, _summary(path)
        except OSError as error:
            return {"name": name, "state": "damaged", "size": 0, "trouble": error.strerror or str(error)}
        entry = {"name": name, **self._known[name][1]}
        if entry["state"] == "open" and name == recorded_name:
            entry["state"] = "recording"
        copy = self._copies.known(name)
        entry["sha256"] = copy.sha256 if copy else None
        entry["etag"] = tag(copy.sha256) if copy else None
        entry["delivered"] = (entry.get("session"), entry.get("t_us")) in reached
        entry["protected"] = is_protected(path)
        return entry


def _summary(path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    try:
        info = reader.info(path)
        with border.open_log_readonly(path) as connection:
            state = read_state(connection)
            with closing(connection.execute(_DISTANCE)) as rows:
                metres = rows.fetchone()[0]
    except LogError as error:
        trouble = _QUARANTINED if is_quarantined(path.name) else error.what
        return {"state": "damaged", "size": size, "trouble": trouble}
    return {
        "state": "open" if info.open else "closed",
        "size": size,
        "stage": info.meta.get("stage"),
        "begun_utc": utc_text(info.first_utc_us),
        "duration_s": info.duration_s,
        "distance_km": None if metres is None else metres / 1000,
        **state._asdict(),
        **({"state": "damaged", "trouble": _QUARANTINED} if is_quarantined(path.name) else {}),
    }


def _stick(feed: Feed) -> dict[str, Any]:
    """The live state of the USB stick; each value None without a recorder or a recent report."""
    news = feed.fresh()
    stick = news.snapshot.get("stick") if news is not None and news.snapshot is not None else None
    shown = stick if isinstance(stick, dict) else {}
    return {key: shown.get(key) for key in ("state", "detail", "age_s")}


def _recorded_name(feed: Feed) -> str | None:
    """The file name of the log being recorded now."""
    news = feed.fresh()
    return None if news is None or news.snapshot is None else recorded(news.snapshot)
