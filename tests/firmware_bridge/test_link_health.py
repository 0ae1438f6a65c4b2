"""What is said of a link, from its bytes and its decoder's counters alone."""

from __future__ import annotations

import pytest

from firmware_bridge.link_health import (
    MIN_BAD,
    SILENT_US,
    STRETCH_US,
    Expected,
    Finding,
    LinkHealth,
    mismatch,
    silence,
)
from firmware_bridge.protocols import nmea, protocol
from firmware_bridge.records import CanFrame

GPS = Expected("gps", "nmea", {"slcan": "engine"})
ENGINE = Expected("engine", "slcan", {"nmea": "gps"})
SENTENCES = nmea.encode("GPRMC,120000,A,2000.00,N,04236.00,E,054.0,084.4,150126,,") * 20
NOISE = bytes(range(128, 256)) * 8
WELL = Finding("open", "9600 baud")


def health(expected: Expected = GPS, baud: int | None = 9600, good: int = 0, bad: int = 0) -> LinkHealth:
    return LinkHealth(expected, baud, good, bad, 0)


def slcan_bytes() -> bytes:
    encode = protocol("slcan").report
    assert encode is not None
    return b"".join(encode(CanFrame(0, 0, 0x100 + number, bytes(8))) for number in range(20))


@pytest.mark.parametrize(
    ("quiet_us", "state"),
    [(0, "open"), (SILENT_US - 1, "open"), (SILENT_US, "silent"), (SILENT_US * 9, "silent")],
)
def test_silence_is_said_after_five_seconds(quiet_us: int, state: str) -> None:
    assert health().finding(0, 0, quiet_us).state == state


def test_a_link_that_is_heard_again_is_open() -> None:
    link = health()
    assert link.finding(0, 0, SILENT_US).state == "silent"
    link.arrived(SENTENCES, SILENT_US + 1)
    assert link.finding(0, 0, SILENT_US + 2) == WELL


@pytest.mark.parametrize(
    ("good", "bad", "state"),
    [
        (0, 0, "open"),
        (0, MIN_BAD - 1, "open"),
        (0, MIN_BAD, "wrong_baud"),
        (1, 9, "open"),
        (1, 10, "wrong_baud"),
        (100, 50, "open"),  # a damaged cable, not a wrong rate
        (100, 0, "open"),
        (5, 1000, "wrong_baud"),
    ],
)
def test_counters_over_a_stretch_tell_a_wrong_rate(good: int, bad: int, state: str) -> None:
    link = health()
    link.arrived(NOISE, 1)
    link.arrived(NOISE, STRETCH_US)
    assert link.finding(good, bad, STRETCH_US - 1) == WELL, "too early"
    assert link.finding(good, bad, STRETCH_US).state == state


def test_slow_counters_are_waited_for() -> None:
    """Two bad pieces in a stretch say nothing; a third one later does."""
    link = health()
    for second in range(1, 9):
        link.arrived(NOISE, second * 1_000_000)
        assert link.finding(0, min(second, 2), second * 1_000_000) == WELL
    assert link.finding(0, 3, 9_000_000).state == "wrong_baud"


def test_what_was_counted_before_this_session_is_not_held_against_it() -> None:
    link = health(good=1000, bad=500)
    link.arrived(SENTENCES, STRETCH_US)
    assert link.finding(1003, 500, STRETCH_US) == WELL
    link.arrived(NOISE, 2 * STRETCH_US)
    assert link.finding(1003, 503, 2 * STRETCH_US).state == "wrong_baud"


def test_a_new_decoder_that_counts_from_zero_alarms_nobody() -> None:
    link = health(good=1000, bad=0)
    link.arrived(SENTENCES, STRETCH_US)
    assert link.finding(2, 3, STRETCH_US) == WELL
    link.arrived(SENTENCES, 2 * STRETCH_US)
    assert link.finding(8, 3, 2 * STRETCH_US) == WELL


def test_trouble_ends_when_frames_hold_again() -> None:
    link = health()
    link.arrived(NOISE, STRETCH_US)
    assert link.finding(0, 10, STRETCH_US).state == "wrong_baud"
    link.arrived(SENTENCES, STRETCH_US + 1)
    assert link.finding(2, 10, STRETCH_US + 2).state == "wrong_baud", "two sentences are too few"
    link.arrived(SENTENCES, 2 * STRETCH_US)
    assert link.finding(20, 10, 2 * STRETCH_US) == WELL


def test_words_for_a_wrong_rate() -> None:
    assert mismatch(GPS, [(4800, NOISE)]) == (
        "wrong_baud",
        'bytes arrive but no NMEA checksum holds at 4800 baud: try baud = "auto"',
    )
    assert mismatch(ENGINE, [(115200, NOISE), (1000000, b""), (2000000, NOISE)]) == (
        "wrong_baud",
        "bytes arrive but no slcan frame holds at 115200, 1000000 or 2000000 baud: "
        "check which device this is, its ground and its levels",
    )


def test_words_for_swapped_cables() -> None:
    assert mismatch(ENGINE, [(115200, SENTENCES)]) == (
        "no_protocol",
        "this looks like NMEA at 115200 baud, not slcan: the cables of gps and engine may be swapped",
    )
    assert mismatch(GPS, [(4800, NOISE), (115200, slcan_bytes())]) == (
        "no_protocol",
        "this looks like slcan at 115200 baud, not NMEA: the cables of engine and gps may be swapped",
    )


def test_words_for_a_device_that_nobody_configured() -> None:
    state, detail = mismatch(ENGINE._replace(neighbours={}), [(None, SENTENCES)])
    assert state == "no_protocol"
    assert detail == "this looks like NMEA, not slcan: correct `protocol`, or check which device this is"


def test_a_port_without_a_rate_has_no_wrong_one() -> None:
    state, detail = mismatch(GPS, [(None, NOISE)])
    assert state == "no_protocol"
    assert "baud" not in detail


def test_words_for_silence() -> None:
    assert silence([9600]).detail.startswith("open, but no bytes at 9600 baud: ")
    assert silence([4800, 9600]).detail.startswith("open, but no bytes at 4800 or 9600 baud: ")
    assert silence([None]).detail.startswith("open, but no bytes: ")
