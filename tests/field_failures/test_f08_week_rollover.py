"""F8: GPS week rollover: the week is corrected and logged; an impossible date sets no clock."""

import datetime
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from firmware_bridge.engine.readings import EngineReadings
from firmware_bridge.gps.dating import EARLIEST_DATE, EPOCH, LATEST_DATE, Dates
from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.protocols import protocol
from firmware_bridge.records import Fix
from logger.live.document import document
from logger.logfile.rows import Rows
from logger.recorder.chrony import ChronySource
from logger.recorder.pipeline import Pipeline
from logger.recorder.sources import Source
from logger.recorder.stage_files import Stage
from logger.replay.replay import Capture
from logger.replay.replay_to_log import replay
from tests.figures import Figures
from tests.firmware_bridge.nmea_lines import fixes_of, gga, rmc, utc

ONE_DAY = datetime.timedelta(days=1)


WEEKS = datetime.timedelta(weeks=1024)
TODAY = datetime.date(2026, 1, 15)
WRITTEN = datetime.date(2026, 11, 29)


def day_of(date: datetime.date) -> int:
    return (date - EPOCH).days


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (TODAY, TODAY),
        (TODAY - WEEKS, TODAY),
        (TODAY - 2 * WEEKS, TODAY),
        (EARLIEST_DATE - WEEKS, EARLIEST_DATE),
        (EARLIEST_DATE - WEEKS - ONE_DAY, None),
        (datetime.date(2024, 1, 12), datetime.date(2024, 1, 12)),
        (datetime.date(2016, 4, 1), datetime.date(2016, 4, 1)),
        (LATEST_DATE - ONE_DAY, LATEST_DATE - ONE_DAY),
        (LATEST_DATE, None),
        (TODAY + WEEKS, None),
        (datetime.date(1980, 1, 6), None),
    ],
)
def test_a_date_of_another_week_count_is_corrected_and_logged(
    sent: datetime.date, taken: datetime.date | None, figures: Figures
) -> None:
    builder = FixBuilder()
    fixes = fixes_of([rmc("235950.00", f"{sent:%d%m%y}"), gga("235955.00")], builder)
    if sent.year < 2080:  # a two-digit year ends there
        assert [fix.date_ok for fix in fixes] == [taken is not None] * 2
        assert utc(fixes[1]) == f"{taken or sent}T23:59:55.000Z"
        notices = [(n.kind, n.detail) for n in builder.take_notices()]
        taken_text = str(taken) if taken else None
        assert notices == ([] if sent == taken else [("gps_date", {"said": str(sent), "taken": taken_text})])
    assert all(fix.lat is not None for fix in fixes)
    assert Dates().true_day(day_of(sent)) == (None if taken is None else day_of(taken))
    figures.tried(
        "dates in and out of range: every fix kept, a wrong week corrected, an impossible date flagged"
    )


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (datetime.date(2006, 5, 29), TODAY - ONE_DAY * 3),
        (datetime.date(2010, 6, 1), datetime.date(2010, 6, 1)),
        (datetime.date(1999, 8, 22), datetime.date(1999, 8, 22)),
        (datetime.date(2024, 1, 12), datetime.date(2024, 1, 12)),
        (WRITTEN - WEEKS, WRITTEN),
        (WRITTEN - WEEKS + 2 * ONE_DAY, WRITTEN - WEEKS + 2 * ONE_DAY),
        (datetime.date(1980, 1, 6), None),
    ],
)
def test_a_recording_has_no_date_after_it_was_written(
    sent: datetime.date, taken: datetime.date | None
) -> None:
    expected = None if taken is None else day_of(taken)
    assert Dates.of(WRITTEN.isoformat()).true_day(day_of(sent)) == expected
    assert Dates.of("") == Dates.of(None) == Dates.of("nonsense") == Dates()


def test_replay_corrects_a_rollover_and_keeps_the_year_of_an_old_log(tmp_path: Path) -> None:
    """Logs of 2010 and 2024 with true dates, one 1,024 weeks off, and one of 2006 replayed `as_dated`."""
    cases = [
        ("290506", {}, "2026-01-12"),
        ("120110", {}, "2010-01-12"),
        ("120124", {}, "2024-01-12"),
        ("290506", {"as_dated": True}, "2006-05-29"),
    ]
    for number, (date, more, expected) in enumerate(cases):
        path = tmp_path / f"{number}.nmea"
        lines = [text for s in range(30) for text in (gga(f"0900{s:02}.00"), rmc(f"0900{s:02}.00", date))]
        path.write_text("\r\n".join(lines) + "\r\n", "ascii")
        written_s = datetime.datetime(2026, 11, 29, tzinfo=datetime.UTC).timestamp()
        os.utime(path, (written_s, written_s))
        outcome = replay(Capture(path, **more), tmp_path, lambda _share: None)  # type: ignore[arg-type]
        assert outcome.first_utc_us is not None
        first = datetime.datetime.fromtimestamp(outcome.first_utc_us / 1e6, datetime.UTC)
        assert first.isoformat() == f"{expected}T09:00:00+00:00"
        assert outcome.rows["clock"] >= 1
        assert outcome.log is not None
        again = tmp_path / "again"
        again.mkdir(exist_ok=True)
        assert replay(Capture(outcome.log), again, lambda _share: None).first_utc_us == outcome.first_utc_us


def test_a_receiver_that_corrects_its_week_is_followed() -> None:
    fixes = fixes_of([rmc("120000.00", "010606"), rmc("120001.00", "150126"), gga("120002.00")])
    assert [fix.date_ok for fix in fixes] == [True] * 3
    assert utc(fixes[-1]) == "2026-01-15T12:00:02.000Z"


def test_an_unknown_date_is_not_a_wrong_one() -> None:
    (fix,) = fixes_of([gga("120000.00")])
    assert (fix.utc_us, fix.date_ok) == (None, True)


def test_limits_of_possible_dates() -> None:
    first_us = (day_of(datetime.date(2026, 1, 1)) - 512 * 7) * 86_400_000_000
    assert [Dates().can_be(first_us - 1), Dates().can_be(first_us)] == [False, True]
    assert Dates(written_day=day_of(WRITTEN)).can_be(day_of(datetime.date(2010, 6, 1)) * 86_400_000_000)


WRONG, RIGHT = "010604", "150126"
"""The first is in 2004: no number of rollovers makes it a day on which stagelog could record."""


def ten_seconds(pipeline: Pipeline, from_s: int, date: str) -> Rows:
    """Feed ten seconds of a 1 Hz receiver with this date. Returns the rows."""
    for second in range(from_s, from_s + 10):
        for body in (rmc(f"1200{second:02d}.00", date), gga(f"1200{second:02d}.00")):
            pipeline.feed("gps", (second + 1) * 1_000_000, body.encode() + b"\r\n")
    return pipeline.take()


def offer(socket_path: Path, fixes: Sequence[Fix]) -> None:
    """Offer fixes to chrony, as if the newest arrived now."""
    ChronySource(socket_path, time.monotonic_ns() // 1000 - fixes[-1].t_us).take(fixes)


def test_a_wrong_week_sets_no_clock_and_a_right_one_does(tmp_path: Path) -> None:
    """Neither UTC in the log, nor the live clock and the crew's display, nor the system's clock through chrony."""
    live = Stage().live("")
    pipeline = Pipeline([Source("gps", protocol("nmea").decoder(0), FixBuilder())], EngineReadings([]), live)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as chrony:
        chrony.bind(str(tmp_path / "chrony.sock"))
        chrony.setblocking(False)
        wrong = ten_seconds(pipeline, 0, WRONG)
        assert len(wrong.fix) >= 9
        assert not any(fix.date_ok for fix in wrong.fix)
        offer(tmp_path / "chrony.sock", wrong.fix)
        with pytest.raises(BlockingIOError):
            chrony.recv(100)
        assert wrong.clock == []
        assert pipeline.clock.utc_us(pipeline.t_us) is None
        assert live.clock.utc_us(live.clock.at_us(pipeline.t_us)) is None
        assert document(live.snapshot(pipeline.t_us))["utc"] is None

        right = ten_seconds(pipeline, 10, RIGHT)
        assert utc(right.fix[-1]).startswith("2026-01-15T12:00:1")
        offer(tmp_path / "chrony.sock", right.fix)
        assert chrony.recv(100)
        assert right.clock
        known_us = pipeline.clock.utc_us(0)
        assert known_us is not None
        assert document(live.snapshot(pipeline.t_us))["utc"].startswith("2026-01-15T12:00:")

        again = ten_seconds(pipeline, 20, WRONG)
        assert again.clock == []
        assert pipeline.clock.utc_us(0) == known_us
        assert document(live.snapshot(pipeline.t_us))["utc"].startswith("2026-01-15T12:00:2")
