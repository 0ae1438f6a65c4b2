"""F5: the SD card is worn out. Bytes that the real recorder hands to the card, against a budget.

Counted by the kernel for the recorder's process (/proc/PID/io), with everything included: the WAL, checkpoints, the
beginning and the end of the log.
"""

from __future__ import annotations

import pytest

from tests.bench import recorder
from tests.figures import Figures

RATE, SECONDS, GPS_HZ = 1000, 15, 10
BUDGET_MB_H = 330.0
"""92 bytes a frame: a frame's row has 26, which SQLite writes twice, and each second's commit rewrites the last
page of every table. A recorder that syncs every row, or keeps an index, writes ten times this."""
CARD_TB = 2.4
"""What a plain 32 GB card takes: 300 cycles of its flash, of which its own housekeeping uses three quarters. Cards made
for video take several times as much."""
HOURS_A_YEAR = 500.0
"""Ten rallies of five days of ten hours: more than any crew drives."""


def test_f05_bytes_to_the_card_stay_within_the_budget(figures: Figures) -> None:
    load = recorder.record("slcan", RATE * SECONDS, RATE, gps_hz=GPS_HZ)
    if load.disk_bytes <= 0:
        pytest.skip("this file system keeps no account of what is written (a tmpfs, or a container's)")
    mb_h = load.disk_bytes / load.seconds * 3600 / 1e6
    years = CARD_TB * 1e6 / mb_h / HOURS_A_YEAR
    figures.note(
        f"{load.frames} frames at {RATE}/s with {GPS_HZ} Hz GPS: {load.disk_bytes / load.frames:.0f} bytes a frame,"
        f" {mb_h:.0f} MB an hour; a card that takes {CARD_TB} TB lasts {years:.0f} years of {HOURS_A_YEAR:.0f} h"
    )
    assert load.dropped == 0
    assert load.frames == RATE * SECONDS
    assert mb_h < BUDGET_MB_H
