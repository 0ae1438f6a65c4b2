"""Fields of one sentence: equal to pynmea2 where that is right, else None."""

import datetime

import pynmea2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gps.nmea_fields import angle_deg, day_number, decimal, time_of_day_us, two_digit_date
from firmware_bridge.gps.sentence_reader import KNOT_MPS, SentenceReader
from tests.firmware_bridge.nmea_lines import line

SECOND = 1_000_000
DAYS = st.dates(datetime.date(1980, 1, 6), datetime.date(2079, 12, 31))
TIMES = st.times().map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000))


def fields(degrees: int, minutes: float, side: str, width: int) -> str:
    return f"{degrees:0{width}}{minutes:08.5f},{side}"


PLACES = st.builds(
    lambda lat, lon: f"{lat},{lon}",
    st.builds(fields, st.integers(0, 89), st.floats(0, 59.9), st.sampled_from("NS"), st.just(2)),
    st.builds(fields, st.integers(0, 179), st.floats(0, 59.9), st.sampled_from("EW"), st.just(3)),
)


@given(TIMES, DAYS, PLACES, st.floats(0, 900), st.floats(0, 360))
def test_rmc_reads_as_pynmea2_does(
    time: datetime.time, day: datetime.date, place: str, knots: float, course: float
) -> None:
    clock = time.strftime("%H%M%S") + f".{time.microsecond // 1000:03}"
    text = line(f"GNRMC,{clock},A,{place},{knots:.3f},{course:.2f},{day:%d%m%y},,,D,V")
    ours, theirs = SentenceReader().read(text), pynmea2.parse(text, check=True)
    assert ours is not None
    assert ours.lat == pytest.approx(theirs.latitude, abs=1e-9)
    assert ours.lon == pytest.approx(theirs.longitude, abs=1e-9)
    assert ours.speed_mps == pytest.approx(theirs.spd_over_grnd * KNOT_MPS)
    assert ours.course_deg == theirs.true_course
    assert ours.time_us == round((datetime.datetime.combine(day, time) - midnight(day)).total_seconds() * 1e6)
    assert ours.day == (day - datetime.date(1970, 1, 1)).days
    assert ours.quality == 2


def midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time())


@given(PLACES, st.integers(1, 8), st.integers(0, 40), st.floats(0, 99), st.floats(-400, 9000))
def test_gga_reads_as_pynmea2_does(
    place: str, quality: int, satellites: int, hdop: float, alt_m: float
) -> None:
    text = line(f"GPGGA,120000,{place},{quality},{satellites:02},{hdop:.2f},{alt_m:.1f},M,46.9,M,,")
    ours, theirs = SentenceReader().read(text), pynmea2.parse(text, check=True)
    assert ours is not None
    assert ours.lat == pytest.approx(theirs.latitude, abs=1e-9)
    assert ours.lon == pytest.approx(theirs.longitude, abs=1e-9)
    assert (ours.quality, ours.satellites) == (theirs.gps_qual, int(theirs.num_sats))
    assert (ours.hdop, ours.alt_m) == (float(theirs.horizontal_dil), theirs.altitude)


@given(
    st.sampled_from(["GPRMC", "GNGGA", "GLGNS", "BDGLL", "GPVTG", "GPZDA", "GAGSA", "XXRMC"]),
    st.lists(
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
        | st.sampled_from(
            ["A", "N", "E", "D", "1", "120000", "4807.038", "01131.0", "nan", "-1", "9" * 400, "²"]
        ),
        max_size=25,
    ),
)
def test_for_any_fields_a_value_is_in_range_or_none(address: str, rest: list[str]) -> None:
    report = SentenceReader().read("$" + ",".join([address, *rest]) + "*00")
    if report is None:
        return
    assert (report.lat is None) == (report.lon is None)
    assert report.lat is None or (-90 <= report.lat <= 90 and report.quality)
    assert report.lon is None or -180 <= report.lon <= 180
    assert report.time_us is None or 0 <= report.time_us < 86_401 * SECOND
    assert report.speed_mps is None or 0 <= report.speed_mps <= 515
    assert report.course_deg is None or 0 <= report.course_deg <= 360
    assert report.hdop is None or 0 <= report.hdop <= 100
    assert report.satellites is None or 0 <= report.satellites <= 999


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("000000", 0),
        ("123519", 45_319),
        ("123519.", 45_319),
        ("123519.5", 45_319.5),
        ("123519.04", 45_319.04),
        ("123519.076", 45_319.076),
        ("123519.1234567", 45_319.123456),
        ("235959.999", 86_399.999),
        ("235960", 86_400),
        ("235960.75", 86_400.75),
        ("240000", None),
        ("126000", None),
        ("123561", None),
        ("12351", None),
        ("1235199", None),
        ("123519,5", None),
        ("-23519", None),
        ("", None),
    ],
)
def test_times_of_day(text: str, seconds: float | None) -> None:
    assert time_of_day_us(text) == (None if seconds is None else round(seconds * SECOND))


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("150126", datetime.date(2026, 1, 15)),
        ("290224", datetime.date(2024, 2, 29)),
        ("311299", datetime.date(1999, 12, 31)),
        ("060180", datetime.date(1980, 1, 6)),
        ("311279", datetime.date(2079, 12, 31)),
        ("290223", None),
        ("320126", None),
        ("000000", None),
        ("1501-1", None),  # a Telit in the cold
        ("15012026", None),
    ],
)
def test_two_digit_dates(text: str, date: datetime.date | None) -> None:
    assert two_digit_date(text) == (None if date is None else (date - datetime.date(1970, 1, 1)).days)


def test_dates_before_gps_are_none() -> None:
    assert day_number(1, 1, 1980) == 3652
    assert day_number(31, 12, 1979) is None
    assert day_number(1, 1, 0) is None


@pytest.mark.parametrize(
    ("text", "side", "degrees"),
    [
        ("4807.038", "N", 48.1173),
        ("4807.038", "S", -48.1173),
        ("0000.0000", "S", 0.0),
        ("9000.0000", "N", 90.0),
        ("9000.0001", "N", None),
        ("4860.0000", "N", 49.0),
        ("4860.1", "N", None),
        ("4807", "N", 48.1166667),
        ("4807.", "N", 48.1166667),
        ("5.5", "N", 0.0916667),
        ("4807.038", "E", None),
        ("4807.038", "NS", None),
        ("4807.038", "", None),
        ("-4807.038", "N", None),
        ("48.07.038", "N", None),
        ("4e3", "N", None),
        ("", "N", None),
        (".", "N", None),
        ("9" * 400, "N", None),
    ],
)
def test_angles(text: str, side: str, degrees: float | None) -> None:
    assert angle_deg(text, side, "NS", 90.0) == (None if degrees is None else pytest.approx(degrees))


@pytest.mark.parametrize(
    "text", ["nan", "inf", "1e5", "1_0", " 1", "--1", "+-1", ".", "-", "", "0x1", "1.2.3", "9" * 400]
)
def test_other_texts_that_float_accepts_or_rejects_are_not_decimals(text: str) -> None:
    assert decimal(text) is None


def test_decimals() -> None:
    assert [decimal(text) for text in ("5", "-5.25", "+.5", "00463.0", "7.")] == [5, -5.25, 0.5, 463, 7]


def test_sentences_of_other_standards_are_ignored() -> None:
    reader = SentenceReader()
    for text in ("$PGRMC,A,1*00", "!AIRMC,1*00", "$GPGSV,1*00", "$GPRMCX,1*00", "$GPVTG,1,T,,M,2,N,3,K,N*00"):
        assert reader.read(text) is None
    assert not reader.unreadable


def test_a_gsa_with_more_satellite_fields_than_the_standard_has_no_hdop_where_the_standard_puts_it() -> None:
    long = "GPGSA,A,3," + ",".join(f"{number:02}" for number in range(1, 25)) + ",09.2,07.2,05.7"
    assert SentenceReader().read(line(long)) is None
