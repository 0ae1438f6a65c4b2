"""Write a season as pages: one file, or a folder with an index and the page of each log."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

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


def require_folder(folder: Path, logs: Collection[Entry]) -> None:
    """Create the folder, before the work. Raises ConfigurationError for too many logs, OSError, LogError."""
    if len(logs) > MAX_PAGES:
        what = f"{len(logs):,} logs: a folder gets up to {MAX_PAGES:,} pages"
        raise ConfigurationError(what, where=str(folder), hint="choose logs with --event, --stage or --car")
    folder.mkdir(exist_ok=True)
    require_writable(within(folder, INDEX))


def write(season: Season, store: Store, html: Path | None, folder: Path | None) -> Iterator[Path]:
    """Write the index to a file, and to a folder with the page of each log; yields the paths of the indexes.

    Raises OSError, InUseError, LogError.
    """
    if html is not None:
        write_whole(html, page(season))
        yield html
    if folder is not None:
        linked = frozenset(_copied(season, store, folder))
        index = within(folder, INDEX)
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
