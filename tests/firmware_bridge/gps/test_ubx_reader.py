"""NAV-PVT: fields against the layout, flags as fix quality, and merging with NMEA of the same epoch."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.gps.fix_builder import FixBuilder
from firmware_bridge.gps.fix_report import Report
from firmware_bridge.gps.nmea_fields import DAY_US, day_number
from firmware_bridge.gps.sentence_reader import SentenceReader
from firmware_bridge.protocols import ubx
from firmware_bridge.protocols.nav_pvt import SHORTEST, WITH_FLAGS3, NavPvt, build, layout, parse
from firmware_bridge.protocols.nmea import Decoder, encode
from firmware_bridge.records import Fix, Sentence

GOOD = {
    **{"itow_ms": 118_818_000, "year": 2026, "month": 1, "day": 12, "hour": 9, "minute": 0, "second": 0},
    **{"valid": 7, "fix_type": 3, "flags": 1, "satellites": 14, "lat_e7": 247_000_000, "lon_e7": 460_000_000},
    **{"ellipsoid_mm": 590_000, "sea_level_mm": 600_500, "accuracy_mm": 850, "alt_accuracy_mm": 1400},
    **{
        "ground_mmps": 25_000,
        "course_e5": 9_000_000,
        "speed_accuracy_mmps": 120,
        "course_accuracy_e5": 300_000,
    },
}
DAY = day_number(12, 1, 2026)
NINE_US = 9 * 3_600_000_000
RMC = encode("GNRMC,090000.00,A,2442.60000,N,04600.00000,E,40.000,0.0,120126,,,A").decode().strip()
GGA = encode("GNGGA,090000.00,2442.60000,N,04600.00000,E,1,12,0.80,300.0,M,-10.0,M,,").decode().strip()


def text(size: int = WITH_FLAGS3, **fields: int) -> str:
    return ubx.as_text(ubx.encode(ubx.NAV_PVT, build(**GOOD | fields)[:size]))


def report(size: int = WITH_FLAGS3, **fields: int) -> Report | None:
    return SentenceReader().read(text(size, **fields))


def fixes(*lines: str) -> list[Fix]:
    builder = FixBuilder()
    found = [fix for line in lines for fix in builder.feed(Sentence(1_000, line))]
    return found + builder.finish()


@given(st.binary(min_size=SHORTEST, max_size=110))
def test_the_fast_way_equals_the_layout(payload: bytes) -> None:
    parsed = layout().parse(payload)
    by_layout = NavPvt(*(parsed[name] for name in NavPvt._fields))
    if len(payload) < WITH_FLAGS3:
        by_layout = by_layout._replace(flags3=0)
    assert parse(payload) == by_layout


@given(st.binary(max_size=SHORTEST - 1))
def test_a_payload_that_is_too_short_gives_no_report(payload: bytes) -> None:
    assert parse(payload) is None
    reader = SentenceReader()
    assert reader.read(ubx.as_text(ubx.encode(ubx.NAV_PVT, payload))) is None
    assert reader.unreadable == {"NAV-PVT": 1}


@given(st.binary(max_size=110))
def test_any_message_gives_a_report_within_its_ranges_or_none(payload: bytes) -> None:
    made = SentenceReader().read(ubx.as_text(ubx.encode(ubx.NAV_PVT, payload)))
    if made is not None and made.quality:
        assert made.lat is not None and -90 <= made.lat <= 90
        assert made.speed_mps is not None and 0 <= made.speed_mps <= 515
        assert made.course_deg is None or 0 <= made.course_deg <= 360


@pytest.mark.parametrize("size", [84, 92, 96])
def test_a_fix_of_each_protocol_version(size: int) -> None:
    message = build(**GOOD) + bytes(8)
    made = SentenceReader().read(ubx.as_text(ubx.encode(ubx.NAV_PVT, message[:size])))
    expected: tuple[Any, ...] = (
        "PVT",
        NINE_US,
        1,
        24.7,
        46.0,
        600.5,
        25.0,
        90.0,
        14,
        None,
        DAY,
        0.85,
        1.4,
        0.12,
    )
    assert made == expected


@pytest.mark.parametrize(
    ("fields", "quality"),
    [
        ({}, 1),
        ({"flags": 0b11}, 2),
        ({"flags": 0b0100_0011}, 5),
        ({"flags": 0b1000_0011}, 4),
        ({"flags": 0b1000_0010}, 0),  # whatever else it says, gnssFixOK decides
        ({"flags": 0}, 0),
        ({"fix_type": 0}, 0),
        ({"fix_type": 1}, 6),
        ({"fix_type": 2}, 1),
        ({"fix_type": 4}, 1),
        ({"fix_type": 5}, 0),
        ({"flags3": 1}, 0),
        ({"flags3": 0b11110}, 1),  # the age of the corrections
    ],
)
def test_flags_as_quality(fields: dict[str, int], quality: int) -> None:
    made = report(**fields)
    assert made is not None
    assert made.quality == quality
    assert (made.lat is None) is (quality == 0)


def test_reserved_bytes_of_the_short_payload_mark_nothing_as_invalid() -> None:
    made = report(84, flags3=1)
    assert made is not None
    assert made.quality == 1


@pytest.mark.parametrize(
    ("fields", "time_us", "day"),
    [
        ({"nano_ns": 199_999_500}, NINE_US + 200_000, DAY),
        ({"nano_ns": -148_000}, NINE_US - 148, DAY),
        ({"nano_ns": -900_000_000}, NINE_US - 900_000, DAY),
        ({"hour": 0, "nano_ns": -4_000_000}, DAY_US - 4_000, DAY - 1 if DAY else None),
        ({"hour": 23, "minute": 59, "second": 59, "nano_ns": 999_999_900}, 0, DAY + 1 if DAY else None),
        ({"hour": 23, "minute": 59, "second": 60, "nano_ns": 500_000_000}, DAY_US + 500_000, DAY),
        ({"valid": 0}, None, None),
        ({"valid": 1}, None, DAY),
        ({"valid": 2}, NINE_US, None),
        ({"valid": 2, "year": 0, "month": 0, "day": 0}, NINE_US, None),
    ],
)
def test_the_time_as_far_as_it_is_valid(fields: dict[str, int], time_us: int | None, day: int | None) -> None:
    made = report(**fields)
    assert made is not None
    assert (made.time_us, made.day, made.quality) == (time_us, day, 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"month": 13},
        {"day": 0},
        {"hour": 24},
        {"second": 61},
        {"nano_ns": 1_000_000_001},
        {"itow_ms": 604_800_000},
        {"fix_type": 6},
        {"lat_e7": 900_000_001},
        {"lon_e7": -1_800_000_001},
        {"ground_mmps": -1},
        {"ground_mmps": 600_000},
        {"sea_level_mm": 2_000_000_000},
        {"course_e5": 36_000_001},
    ],
)
def test_fields_out_of_range_neither_make_a_fix_nor_deny_one(fields: dict[str, int]) -> None:
    assert report(**fields) is None
    (fix,) = fixes(text(**fields), RMC, GGA)
    assert (fix.quality, fix.alt_m, fix.accuracy_m) == (1, 300.0, None)


def test_unknown_accuracies_and_a_course_at_standstill_are_none() -> None:
    made = report(accuracy_mm=0xFFFF_FFFF, course_accuracy_e5=18_000_000, course_e5=-9_000_000)
    assert made is not None
    assert (made.accuracy_m, made.course_deg) == (None, None)
    made = report(course_e5=-9_000_000)
    assert made is not None
    assert made.course_deg == 270.0


@pytest.mark.parametrize("nano_ns", [0, -148_000, 4_900_000])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_pvt_replaces_the_sentences_of_its_epoch(place: int, nano_ns: int) -> None:
    lines = [RMC, GGA]
    lines.insert(place, text(nano_ns=nano_ns))
    (fix,) = fixes(*lines)
    assert fix.utc_us is not None and DAY is not None
    assert fix.utc_us == DAY * DAY_US + NINE_US + nano_ns // 1000
    assert (fix.lat, fix.alt_m, fix.speed_mps, fix.course_deg) == (24.7, 600.5, 25.0, 90.0)
    assert (fix.satellites, fix.hdop, fix.quality) == (14, 0.8, 1)
    assert (fix.accuracy_m, fix.alt_accuracy_m, fix.speed_accuracy_mps) == (0.85, 1.4, 0.12)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_pvt_decides_whether_there_is_a_fix(place: int) -> None:
    for fields, lines, quality in (
        ({"flags": 0}, [RMC, GGA], 0),
        ({}, [line.replace(",A,2", ",V,2") for line in (RMC, GGA)], 1),
    ):
        lines.insert(place, text(**fields))
        (fix,) = fixes(*lines)
        assert fix.quality == quality
        assert (fix.lat is None) is (quality == 0)


def test_a_text_that_is_not_a_message_is_counted() -> None:
    builder = FixBuilder()
    for wrong in (ubx.TEXT_START, text()[:-1], text()[:-2] + "00", ubx.TEXT_START + "zz"):
        assert builder.feed(Sentence(0, wrong)) == []
    assert builder.unreadable == Counter({"UBX message": 4})


def test_the_builder_reads_the_decoders_output() -> None:
    wire = ubx.encode(ubx.NAV_PVT, build(**GOOD))
    batch = Decoder().feed(RMC.encode() + b"\r\n" + wire + GGA.encode() + b"\r\n", 0)
    assert [sentence.text for sentence in batch.sentences] == [RMC, text(), GGA]
    assert len(fixes(*(sentence.text for sentence in batch.sentences))) == 1
