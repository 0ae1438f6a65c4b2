"""Write a season as pages: one file, or a folder with an index and the page of each log."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from firmware_bridge.errors import ConfigurationError, LogError
from logger.boundary.file_names import within
from logger.boundary.whole_file import require_writable, whole_file, write_whole
from logger.fleet.catalogue import Entry
from logger.fleet.season_page import Season, page, page_name
from logger.fleet.store import Store

INDEX: Final = "index.html"
MAX_PAGES: Final = 1000
"""Pages of one folder: 3 GB, and a table that a browser opens in a second."""
MAX_PAGE_BYTES: Final = 16_000_000
"""A page of a day has 2 MB; a store from a stranger may hold anything."""


class Targets(NamedTuple):
    """Where to write: the index alone to a file, and the index with the pages of the logs to a folder."""

    html: Path | None
    folder: Path | None


def targets(html: Path | None, folder: Path | None, logs: Collection[Entry]) -> Targets:
    """Check the targets before the work, and create the folder; `html` may be a folder too.

    Raises ConfigurationError for too many logs, OSError, LogError.
    """
    if html is not None and html.is_dir():
        html, folder = None, folder or html
    if html is not None:
        require_writable(html)
    if folder is not None:
        if len(logs) > MAX_PAGES:
            what = f"{len(logs):,} logs: a folder gets up to {MAX_PAGES:,} pages"
            raise ConfigurationError(
                what, where=str(folder), hint="choose logs with --event, --stage or --car"
            )
        folder.mkdir(exist_ok=True)
        require_writable(within(folder, INDEX))
    return Targets(html, folder)


def write(season: Season, store: Store, places: Targets) -> Iterator[Path]:
    """Write the index, and the page of each log into the folder; yields the paths of the indexes.

    Raises OSError, InUseError, LogError.
    """
    if places.html is not None:
        write_whole(places.html, page(season))
        yield places.html
    if places.folder is not None:
        linked = frozenset(_copied(season, store, places.folder))
        index = within(places.folder, INDEX)
        write_whole(index, page(season, linked))
        yield index


def _copied(season: Season, store: Store, folder: Path) -> Iterator[str]:
    """Copy the page of each log from the store into the folder; yields the SHA-256 of these logs."""
    for verdict in season.verdicts:
        if not verdict.has_page:
            continue
        path = season.run.page(verdict.entry)
        with store.read(path) as stream:
            data = stream.read(MAX_PAGE_BYTES + 1)
        if len(data) > MAX_PAGE_BYTES:
            raise LogError("is too large for a page", where=path, hint="run the review again")
        with whole_file(within(folder, page_name(verdict.entry))) as target:
            target.write(data)
        yield verdict.entry.log
