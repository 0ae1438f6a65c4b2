"""F8: GPS week rollover: a date that cannot be is flagged and said, and the fix is kept all the same."""

import datetime

import pytest

from firmware_bridge.dating import EARLIEST_DATE, ROLLOVER_DAYS, date_can_be
from firmware_bridge.fixes import FixBuilder
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
