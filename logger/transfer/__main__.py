"""`python -m logger.transfer LOG COPY`: a snapshot made by a process of its own.

So it can be made at low priority, be ended at any moment, and share no file lock with whoever wants it (POSIX
drops a process's locks on a file when any of its descriptors is closed). Lines of JSON say how it goes:

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

TELL_S = 0.2
LOWEST = 19


def main(log: str, copy: str) -> int:
    """Make the snapshot and say so."""
    told_s = 0.0

    def progress(done: float) -> None:
        nonlocal told_s
        if (now_s := time.monotonic()) - told_s > TELL_S:
            told_s = now_s
            print(json.dumps({"done": round(done, 3)}), flush=True)

    with suppress(OSError):  # a service may be forbidden to
        os.nice(LOWEST)
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
