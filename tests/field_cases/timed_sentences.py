"""The sentences of the GPS cases with the times at which their bytes arrive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CASES = Path(__file__).parent / "gps"
Timed = tuple[float, bytes]


def lines(case: str) -> list[bytes]:
    """The sentences of a case."""
    return (CASES / f"{case}.nmea").read_bytes().splitlines(keepends=True)


def bursts(case: str, hz: float, first: bytes, gap_s: float = 0.0) -> Iterator[Timed]:
    """Each line with its time in s: every `first` begins a burst; `gap_s` comes before the burst's second line."""
    burst, position = -1, 0
    for line in lines(case):
        if line[3:6] == first:
            burst, position = burst + 1, 0
        yield max(burst, 0) / hz + (gap_s if position else 0.0) + position * 0.004, line
        position += 1
