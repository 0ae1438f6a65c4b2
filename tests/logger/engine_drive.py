"""A short drive with an engine: readings as recorded, and the frames of a DBC file that the log carries."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firmware_bridge.records import Fix
from tests.logger import drives

FIX_HZ, ENGINE_HZ = 5, 10
DBC = """
BO_ 256 M: 8 X
 SG_ boost_bar : 0|16@1+ (0.01,-1) [0|0] "bar" X
 SG_ fuel_l : 16|16@1+ (0.1,0) [0|0] "l" X
"""
Floats = NDArray[np.float64]


def rpm(seconds: Floats | float) -> Floats:
    """Revolutions: a sine of one minute."""
    return np.asarray(4000 + 2000 * np.sin(np.asarray(seconds) * 2 * np.pi / 60))


def coolant_c(seconds: Floats | float) -> Floats:
    """Warms up by 0.05 degrees per second."""
    return np.asarray(60 + 0.05 * np.asarray(seconds))


def boost_bar(seconds: Floats | float) -> Floats:
    """In steps of 0.01 bar, as in the frame."""
    return np.round(1 + np.sin(np.asarray(seconds) / 7), 2)


def write_log(path: Path, seconds: int = 600) -> list[Fix]:
    """Write the log; returns its fixes."""
    fixes = drives.fixes(drives.plan(seconds), hz=FIX_HZ)
    drives.write_log(path, fixes)
    end_s = fixes[-1].t_us / 1e6
    times_s = np.arange(0, end_s, 1 / ENGINE_HZ)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO meta VALUES ('dbc:car.dbc', ?)", (DBC,))
        connection.execute("DELETE FROM channel")
        channels = [(1, "rpm", "1/min", "preset"), (2, "coolant_c", "degC", "preset")]
        connection.executemany("INSERT INTO channel VALUES (?, ?, ?, ?)", channels)
        connection.execute("DELETE FROM reading")
        rows = [
            (1, round(t * 1e6), channel, value)
            for t, *values in zip(
                *(column.tolist() for column in (times_s, rpm(times_s), coolant_c(times_s))), strict=True
            )
            for channel, value in enumerate(values, 1)
        ]
        connection.executemany("INSERT INTO reading VALUES (?, ?, ?, ?)", rows)
        frames = [
            (1, round(t * 1e6), 0, 256, _data(boost, t))
            for t, boost in zip(times_s.tolist(), boost_bar(times_s).tolist(), strict=True)
        ]
        connection.executemany("INSERT INTO frame VALUES (?, ?, ?, ?, ?)", frames)
        connection.commit()
    return fixes


def _data(boost: float, seconds: float) -> bytes:
    litres = round((80 - seconds / 60) * 10)
    return round((boost + 1) * 100).to_bytes(2, "little") + litres.to_bytes(2, "little") + bytes(4)
