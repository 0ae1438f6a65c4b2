"""The command `protect`: exempt a log from removal, or end that, for a crew whose server may not write there.

    {"command": "protect", "log": "dakar-2026-11-car-500-001.db", "on": true}

A card may stall for seconds. So the marker is written by a short-lived thread, one at a time; neither the decoder nor
the live socket waits for it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from firmware_bridge.errors import LogError
from logger.logfile.naming import LOG_PATTERN, quarantined_in
from logger.retention.log_directory import protect

log = logging.getLogger(__name__)

COMMAND = "protect"
Reply = Callable[[str | None], None]
"""Takes the outcome of a command: None, or the error."""


class Protection:
    """Obeys the command for the logs of one directory. `on_changed` takes the name of a log and its new protection."""

    def __init__(self, folder: Path, on_changed: Callable[[str, bool], None]) -> None:
        self._folder = folder
        self._on_changed = on_changed
        self._busy = threading.Lock()

    def take(self, fields: Mapping[str, Any], reply: Reply) -> None:
        """Check a command, and carry it out in a thread. Calls `reply` once, from any thread; never raises."""
        name, on = fields.get("log"), fields.get("on")
        if not isinstance(name, str) or not isinstance(on, bool) or fields.keys() != {"log", "on"}:
            reply(f'{COMMAND}: a "log" and "on", true or false')
        elif not self._busy.acquire(blocking=False):
            reply(f"{COMMAND}: the card is still busy with the last one: try again")
        else:
            threading.Thread(target=self._run, args=(name, on, reply), name=COMMAND, daemon=True).start()

    def _run(self, name: str, on: bool, reply: Reply) -> None:
        try:
            reply(self._protect(name, on))
        except Exception:  # no command may end the recorder, and each has an answer
            log.exception("protecting a log failed")
            reply(f"{COMMAND}: failed in the recorder: see its journal")
        finally:
            self._busy.release()

    def _protect(self, name: str, on: bool) -> str | None:
        """Write or remove the marker; the error, or None. Only a log that is listed there has a path."""
        paths = (*self._folder.glob(LOG_PATTERN), *quarantined_in(self._folder))
        path = next((path for path in paths if path.name == name), None)
        if path is None:
            return f"{COMMAND}: no such log"
        try:
            protect(path, on=on)
        except LogError as error:
            return f"{COMMAND}: {error.what}"
        self._on_changed(name, on)
        return None
