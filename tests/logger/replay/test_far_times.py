"""Times that Python's own conversion refuses: after the year 9999, and on a 32-bit Debian 12 after 2038."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from logger.replay.replay_to_log import Outcome
from tests.logger.command_line import stagelog

YEAR_14645_S = 400_000_000_000
RMC = "$GPRMC,120000.00,A,2000.0000,N,04236.0000,E,10.0,90.0,150126,,,A*"


def sentence() -> str:
    """An RMC sentence with its checksum."""
    check = 0
    for letter in RMC[1:-1]:
        check ^= ord(letter)
    return f"{RMC}{check:02X}\r\n"


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Path]:
    """A recording whose file is dated beyond the calendar, on a file system that can say so."""
    memory = Path("/dev/shm")  # noqa: S108 - ext4 ends in 2446
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        file = Path(folder) / "drive.nmea"
        file.write_text(sentence() * 5)
        os.utime(file, (YEAR_14645_S, YEAR_14645_S))
        if file.stat().st_mtime != YEAR_14645_S:
            pytest.skip("this file system has no such times")
        yield file


def test_a_file_dated_beyond_the_calendar_is_replayed(far: Path, tmp_path: Path) -> None:
    done = stagelog("replay", far, folder=tmp_path)
    assert done.code == 0, done.err
    assert "begun: 2026-01-15 12:00:00 UTC" in done.out


@pytest.mark.parametrize(
    ("utc_us", "line"),
    [(0, "begun: 1970-01-01 00:00:00 UTC"), (YEAR_14645_S * 1_000_000, None), (None, None)],
)
def test_the_outcome_leaves_out_a_time_beyond_the_calendar(utc_us: int | None, line: str | None) -> None:
    lines = list(Outcome({}, 1.0, utc_us, {}, None).lines())
    assert [found for found in lines if found.startswith("begun")] == [line] * (line is not None)
