"""F5: the SD card wears out. Bytes that the real recorder writes to the card, against a budget.

The kernel counts them for the recorder's process: the WAL, checkpoints, the beginning and the end of the log.
"""

from __future__ import annotations

import pytest

from tests.bench import recorder
from tests.figures import Figures

RATE, SECONDS, GPS_HZ = 1000, 15, 10
BUDGET_MB_PER_H = 330.0
"""92 bytes per frame: a frame's row has 26, which SQLite writes twice, and each second's commit rewrites the last
page of every table. A recorder that syncs every row or keeps an index writes ten times as much."""
CARD_TB = 2.4
"""Endurance of a plain 32 GB card: 300 cycles of its flash, three quarters of which its own housekeeping uses. Cards
made for video endure several times as much."""
HOURS_PER_YEAR = 500.0
"""Ten rallies of five days of ten hours, more than a crew drives."""


def test_f05_bytes_to_the_card_stay_within_the_budget(figures: Figures) -> None:
    load = recorder.record("slcan", RATE * SECONDS, RATE, gps_hz=GPS_HZ)
    if load.disk_bytes <= 0:
        pytest.skip("this file system does not count written bytes (tmpfs, or a container's)")
    mb_per_h = load.disk_bytes / load.seconds * 3600 / 1e6
    years = CARD_TB * 1e6 / mb_per_h / HOURS_PER_YEAR
    figures.note(
        f"{load.frames} frames at {RATE}/s with {GPS_HZ} Hz GPS: {load.disk_bytes / load.frames:.0f} bytes per frame,"
        f" {mb_per_h:.0f} MB per hour; a card of {CARD_TB} TB endurance lasts {years:.0f} years of {HOURS_PER_YEAR:g} h"
    )
    assert load.dropped == 0
    assert load.frames == RATE * SECONDS
    assert mb_per_h < BUDGET_MB_PER_H
