"""F8: GPS week rollover: a date that cannot be is flagged and said, sets no clock, and the fix is kept all the same."""

import datetime
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from firmware_bridge.dating import EARLIEST_DATE, ROLLOVER_DAYS, date_can_be
from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.fixes import FixBuilder
from firmware_bridge.protocols import protocol
from firmware_bridge.records import Fix
from logger.recording.chrony import ChronySource
from logger.recording.pipeline import Pipeline, Source
from logger.recording.rows import Rows
from logger.recording.setup import Stage
from tests.figures import Figures
from tests.firmware_bridge.nmea_lines import fixes_of, gga, rmc, utc

ONE_DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("date", "date_ok"),
    [
        (datetime.date(2026, 1, 15), True),
        (datetime.date(2026, 1, 15) - datetime.timedelta(weeks=1024), False),
        (datetime.date(2026, 1, 15) - datetime.timedelta(weeks=2048), False),
        (datetime.date(2026, 1, 15) + datetime.timedelta(weeks=1024), False),
        (EARLIEST_DATE - ONE_DAY, False),
        (EARLIEST_DATE, True),
        (EARLIEST_DATE + datetime.timedelta(days=ROLLOVER_DAYS) - ONE_DAY, True),
        (EARLIEST_DATE + datetime.timedelta(days=ROLLOVER_DAYS), False),
    ],
)
def test_a_date_outside_the_1024_weeks_from_the_build_is_flagged(
    date: datetime.date, date_ok: bool, figures: Figures
) -> None:
    builder = FixBuilder()
    fixes = fixes_of([rmc("235958.00", f"{date:%d%m%y}"), gga("235959.00")], builder)
    assert [fix.date_ok for fix in fixes] == [date_ok] * 2
    assert utc(fixes[1]) == f"{date}T23:59:59.000Z"
    assert all(fix.lat is not None for fix in fixes)
    assert [notice.kind for notice in builder.take_notices()] == ([] if date_ok else ["gps_date"])
    figures.tried("dates on both sides of what can be; every fix kept, the wrong ones flagged")


def test_the_flag_goes_when_the_receiver_has_found_its_week() -> None:
    fixes = fixes_of([rmc("120000.00", "010606"), rmc("120001.00", "150126"), gga("120002.00")])
    assert [fix.date_ok for fix in fixes] == [False, True, True]
    assert utc(fixes[-1]) == "2026-01-15T12:00:02.000Z"


def test_an_unknown_date_is_not_a_wrong_one() -> None:
    (fix,) = fixes_of([gga("120000.00")])
    assert (fix.utc_us, fix.date_ok) == (None, True)


def test_both_ends_of_what_can_be() -> None:
    first_us = int(datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC).timestamp()) * 1_000_000
    assert [date_can_be(first_us - 1), date_can_be(first_us)] == [False, True]


WRONG, RIGHT = "010606", "150126"


def told(made: Pipeline, from_s: int, date: str) -> Rows:
    """Ten seconds of a receiver at 1 Hz with this date, and what comes of it."""
    for second in range(from_s, from_s + 10):
        for body in (rmc(f"1200{second:02d}.00", date), gga(f"1200{second:02d}.00")):
            made.feed("gps", (second + 1) * 1_000_000, body.encode() + b"\r\n")
    return made.take()


def offer(socket_path: Path, fixes: Sequence[Fix]) -> None:
    """Fixes to chrony, the newest of them of this very moment."""
    ChronySource(socket_path, time.monotonic_ns() // 1000 - fixes[-1].t_us).take(fixes)


def test_a_wrong_week_sets_no_clock_and_the_right_one_does(tmp_path: Path) -> None:
    """Neither UTC in the log, nor the drive's clock and what the crew sees of it, nor the system's through chrony."""
    live = Stage().live("")
    made = Pipeline([Source("gps", protocol("nmea").decoder(0), FixBuilder())], EngineReadings([]), live)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as chrony:
        chrony.bind(str(tmp_path / "chrony.sock"))
        chrony.setblocking(False)
        wrong = told(made, 0, WRONG)
        assert len(wrong.fix) >= 9
        assert not any(fix.date_ok for fix in wrong.fix)
        offer(tmp_path / "chrony.sock", wrong.fix)
        with pytest.raises(BlockingIOError):
            chrony.recv(100)
        assert wrong.clock == []
        assert made.clock.utc_us(made.t_us) is None
        assert live.clock.utc_us(live.clock.at_us(made.t_us)) is None
        assert live.snapshot(made.t_us)["utc"] is None

        right = told(made, 10, RIGHT)
        assert utc(right.fix[-1]).startswith("2026-01-15T12:00:1")
        offer(tmp_path / "chrony.sock", right.fix)
        assert chrony.recv(100)
        assert right.clock
        known_us = made.clock.utc_us(0)
        assert known_us is not None
        assert live.snapshot(made.t_us)["utc"].startswith("2026-01-15T12:00:")

        again = told(made, 20, WRONG)
        assert again.clock == []
        assert made.clock.utc_us(0) == known_us
        assert live.snapshot(made.t_us)["utc"].startswith("2026-01-15T12:00:2")
