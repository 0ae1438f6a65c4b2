"""What a power cut cost: frames that were sent, and are not in the log."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from tests.power_cuts.machine import FRAME_ID, Adapter
from tests.power_cuts.pulse import Pulse

MAX_LOSS_S = 1.0
"""`[log] max_loss_s` of the guests' configuration, which is the default."""


class Loss(NamedTuple):
    """The last frames before a power cut that are not in the log."""

    sent: int
    """Frames that the host has sent since the adapter was plugged in."""
    kept: int
    """Frames of these in the log, which are the first."""
    lost_s: float
    """Upper bound of the time between the guest's kernel receiving the first lost frame and the cut."""
    since_sent_s: float
    """Time between the host sending that frame and the cut; a frame may wait in the host meanwhile."""
    is_reported: bool = True
    """Whether the guest has reported what it received; without a report `lost_s` is `since_sent_s`."""

    @classmethod
    def of(cls, adapter: Adapter, pulse: Pulse, kept: int, at: float) -> Loss:
        """The loss of a cut at the monotonic time `at`, after which the log has the first `kept` frames."""
        sent = sum(when <= at for when in adapter.sent_at[adapter.first :])
        if kept >= sent:
            return cls(sent, kept, 0.0, 0.0)
        since_sent_s = at - adapter.sent_at[adapter.first + kept]
        not_yet_at = pulse.last_before(adapter.ends[adapter.first + kept])
        if not_yet_at is None:
            return cls(sent, kept, since_sent_s, since_sent_s, is_reported=False)
        return cls(sent, kept, min(since_sent_s, at - not_yet_at), since_sent_s)


def kept_frames(log: Path, first: int) -> tuple[int, int, list[str]]:
    """Number of kept frames from number `first` on, number of sessions, and gaps between the kept frames."""
    connection = sqlite3.connect(f"{log.as_uri()}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT data FROM frame WHERE can_id = ? ORDER BY rowid", (FRAME_ID,))
        numbers = [int.from_bytes(data, "big") for (data,) in rows]
        sessions = connection.execute("SELECT count(*) FROM session").fetchone()[0]
    finally:
        connection.close()
    kept = [number for number in numbers if number >= first]
    holes = [] if kept == list(range(first, first + len(kept))) else [f"holes: {kept[:3]} ... {kept[-3:]}"]
    return len(kept), sessions, holes
