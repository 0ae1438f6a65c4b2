"""Make a snapshot in a separate process: `python -m logger.transfer LOG COPY`.

A separate process can run at low priority and be killed at any moment, and shares no file lock with its caller
(closing any descriptor of a file drops all of a process's POSIX locks on it). It reports progress and outcome as lines
of JSON:

    {"done": 0.25}      {"sha256": "...", "state": {...}}      {"error": "one line"}
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from logger.boundary.os_errors import line_of
from logger.transfer.snapshot import snapshot

REPORT_INTERVAL_S = 0.2
LOWEST_PRIORITY = 19


def main(log: str, copy: str) -> int:
    """Make the snapshot and print its progress and outcome."""
    reported_s = 0.0

    def progress(done: float) -> None:
        nonlocal reported_s
        if (now_s := time.monotonic()) - reported_s > REPORT_INTERVAL_S:
            reported_s = now_s
            print(json.dumps({"done": round(done, 3)}), flush=True)

    with suppress(OSError):  # a service may not have the right
        os.nice(LOWEST_PRIORITY)
    try:
        taken = snapshot(Path(log), Path(copy), progress)
    except OSError as error:
        print(json.dumps({"error": line_of(error)}), flush=True)
        return 1
    state = None if taken.state is None else taken.state._asdict()
    print(json.dumps({"sha256": taken.sha256, "state": state}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
