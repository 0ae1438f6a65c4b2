"""LinkHealth: findings from received bytes and times."""

from __future__ import annotations

import pytest

from firmware_bridge.devices.baud_trial import GARBAGE_BYTES
from firmware_bridge.devices.link_health import (
    SILENT_US,
    STRETCH_US,
    Expected,
    Finding,
    LinkHealth,
    mismatch,
    silence,
)
from firmware_bridge.protocols import PROTOCOL_NAMES, nmea, protocol
from firmware_bridge.records import CanFrame

GPS = Expected("gps", "nmea", {"slcan": "engine"})
ENGINE = Expected("engine", "slcan", {"nmea": "gps"})
SENTENCES = nmea.encode("GPRMC,120000,A,2000.00,N,04236.00,E,054.0,084.4,150126,,") * 20
NOISE = bytes(range(128, 256)) * 8
WELL = Finding("open", "9600 baud")


def health(expected: Expected = GPS, baud: int | None = 9600) -> LinkHealth:
    return LinkHealth(expected, baud, 0)


def speech(name: str) -> bytes:
    """More than a kilobyte of a protocol."""
    if name == "nmea":
        return SENTENCES
    report = protocol(name).report
    assert report is not None
    return b"".join(report(CanFrame(number * 1000, 0, 0x100 + number, bytes(8))) for number in range(60))


def damaged(every: int) -> bytes:
    """Sentences, every `every`-th with one wrong character."""
    lines = SENTENCES.splitlines(keepends=True)
    return b"".join(line if number % every else line.replace(b"A", b"V") for number, line in enumerate(lines))


@pytest.mark.parametrize(
    ("quiet_us", "state"),
    [(0, "open"), (SILENT_US - 1, "open"), (SILENT_US, "silent"), (SILENT_US * 9, "silent")],
)
def test_silence_is_reported_after_five_seconds(quiet_us: int, state: str) -> None:
    assert health().finding(quiet_us).state == state


def test_a_link_that_is_heard_again_is_open() -> None:
    link = health()
    assert link.finding(SILENT_US).state == "silent"
    link.arrived(SENTENCES, SILENT_US + 1)
    assert link.finding(SILENT_US + 2) == WELL


@pytest.mark.parametrize(
    ("data", "state"),
    [
        (SENTENCES, "open"),
        (SENTENCES[30:], "open"),
        (NOISE, "wrong_baud"),
        (NOISE[: GARBAGE_BYTES - 1], "open"),  # too few bytes to judge
        (NOISE[:GARBAGE_BYTES], "wrong_baud"),
        (damaged(2), "open"),  # every second sentence: a damaged cable, not a wrong rate
        (damaged(20), "open"),
        (SENTENCES[:65] + NOISE * 4, "wrong_baud"),  # one good sentence in 4 kB is chance
    ],
)
def test_wrong_rate_is_detected_over_a_stretch(data: bytes, state: str) -> None:
    link = health()
    for start in range(0, len(data), 50):
        link.arrived(data[start : start + 50], STRETCH_US - 1)
    assert link.finding(STRETCH_US - 1) == WELL, "too early"
    assert link.finding(STRETCH_US).state == state


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
@pytest.mark.parametrize("noise", [NOISE, bytes(2000), b"\xff" * 2000, b"hello, rally\r\n" * 100])
def test_every_protocol_detects_noise(name: str, noise: bytes) -> None:
    link = LinkHealth(Expected("port", name, {}), 115200, 0)
    link.arrived(noise, STRETCH_US)
    assert link.finding(STRETCH_US).state == "wrong_baud"


@pytest.mark.parametrize("name", PROTOCOL_NAMES)
@pytest.mark.parametrize("other", PROTOCOL_NAMES)
def test_every_protocol_recognises_every_other(name: str, other: str) -> None:
    link = LinkHealth(Expected("port", name, {}), 115200, 0)
    link.arrived(speech(other)[7:], STRETCH_US)
    finding = link.finding(STRETCH_US)
    if name == other:
        assert finding.state == "open"
    else:
        assert finding.detail.startswith(f"this looks like {'NMEA' if other == 'nmea' else other} at ")


def test_acknowledgements_of_unanswered_requests_are_not_noise() -> None:
    """OBD polling with the ignition off: an SLCAN adapter acknowledges, but no frame arrives for hours."""
    link = health(ENGINE)
    for second in range(1, 60):
        link.arrived(b"z\r" * 10, second * 1_000_000)
        assert link.finding(second * 1_000_000) == WELL


def test_slow_garbage_is_found_in_time() -> None:
    link = health()
    for second in range(1, 8):
        link.arrived(NOISE[:70], second * 1_000_000)
        assert link.finding(second * 1_000_000) == WELL
    link.arrived(NOISE[:70], 8_000_000)
    assert link.finding(8_000_000).state == "wrong_baud"


def test_fault_ends_with_valid_frames() -> None:
    link = health()
    link.arrived(NOISE, STRETCH_US)
    assert link.finding(STRETCH_US).state == "wrong_baud"
    link.arrived(SENTENCES, STRETCH_US + 1)
    assert link.finding(2 * STRETCH_US - 1).state == "wrong_baud", "reported too early"
    assert link.finding(2 * STRETCH_US) == WELL


def test_detail_of_a_wrong_rate() -> None:
    assert mismatch(GPS, [(4800, NOISE)]) == (
        "wrong_baud",
        'bytes arrive but no NMEA checksum holds at 4800 baud: try baud = "auto"',
    )
    assert mismatch(ENGINE, [(115200, NOISE), (1000000, b""), (2000000, NOISE)]) == (
        "wrong_baud",
        "bytes arrive but no slcan frame holds at 115200, 1000000 or 2000000 baud: "
        "check which device this is, its ground and its levels",
    )


def test_detail_of_swapped_cables() -> None:
    assert mismatch(ENGINE, [(115200, SENTENCES)]) == (
        "no_protocol",
        "this looks like NMEA at 115200 baud, not slcan: the cables of gps and engine may be swapped",
    )
    assert mismatch(GPS, [(4800, NOISE), (115200, speech("slcan"))]) == (
        "no_protocol",
        "this looks like slcan at 115200 baud, not NMEA: the cables of engine and gps may be swapped",
    )


@pytest.mark.parametrize(
    ("expected", "sample", "detail"),
    [
        (ENGINE, SENTENCES, "this looks like NMEA, not slcan: that is a GPS receiver: correct `port`"),
        (
            GPS,
            speech("canserial"),
            "this looks like canserial, not NMEA: that is a CAN adapter: correct `port`",
        ),
        (
            ENGINE,
            speech("canserial"),
            "this looks like canserial, not slcan: correct `protocol`, or check which device this is",
        ),
    ],
)
def test_detail_of_an_unconfigured_device(expected: Expected, sample: bytes, detail: str) -> None:
    finding = mismatch(expected._replace(neighbours={}), [(None, sample)])
    assert finding == ("no_protocol", detail)


def test_port_without_a_rate_never_has_a_wrong_rate() -> None:
    for expected, key in ((GPS, "port"), (ENGINE, "protocol")):
        state, detail = mismatch(expected, [(None, NOISE)])
        assert state == "no_protocol"
        assert "baud" not in detail
        assert detail.endswith(f": correct `{key}`, or check which device this is")


def test_detail_of_silence() -> None:
    assert silence([9600]).detail.startswith("open, but no bytes at 9600 baud: ")
    assert silence([4800, 9600]).detail.startswith("open, but no bytes at 4800 or 9600 baud: ")
    assert silence([None]).detail.startswith("open, but no bytes: ")


@pytest.mark.parametrize("phase", range(0, 30, 5))
def test_an_adapter_that_has_restarted_has_time_to_be_opened_again(phase: int) -> None:
    """It sends text, for a second and a half; one that goes on has another rate."""
    link, states, frames = health(ENGINE), [], speech("slcan")
    for tick in range(300):
        is_restarted = 100 + phase <= tick < 115 + phase or tick >= 200
        link.arrived(NOISE if is_restarted else frames, tick * 100_000)
        states.append(link.finding(tick * 100_000).state)
    assert set(states[:200]) == {"open"}
    assert 200 < states.index("wrong_baud") <= 200 + 2 * STRETCH_US // 100_000


def test_lost_rate_is_reported_at_once() -> None:
    link = health()
    link.arrived(SENTENCES, STRETCH_US)
    assert link.finding(STRETCH_US) == WELL
    link.arrived(NOISE, 2 * STRETCH_US)
    assert link.finding(2 * STRETCH_US) == (
        "wrong_baud",
        "bytes arrive but no NMEA checksum holds at 9600 baud any more: "
        'the device has restarted at another rate; set baud = "auto"',
    )


def test_foreign_share_is_reported_once_and_corrected_after_a_minute() -> None:
    link = health()
    findings = []
    for second in range(1, 200):
        share = 0.9 if second < 100 else 0.0
        link.arrived(SENTENCES + NOISE * round(share * 10), second * 1_000_000)
        findings.append(link.finding(second * 1_000_000))
    assert [state for state, _ in findings] == ["open"] * len(findings)
    details = list(dict.fromkeys(detail for _, detail in findings))
    assert details[0] == "9600 baud"
    assert details[1] == "9600 baud; NMEA holds, 88 % of the bytes are another protocol"
    assert findings[-1] == WELL
    assert len(details) <= 3, "no more than once a minute"


@pytest.mark.parametrize("sentences", [1, 2, 3])
def test_few_sentences_among_foreign_bytes_suffice_above_chance(sentences: int) -> None:
    link = health()
    states = []
    for stretch in range(1, 6):
        link.arrived(SENTENCES[:65] * sentences + NOISE * 20, stretch * STRETCH_US)
        states.append(link.finding(stretch * STRETCH_US).state)
    assert set(states[1:]) == {"open"}
    assert states[0] == ("wrong_baud" if sentences == 1 else "open")


def test_receiver_without_checksums_is_not_a_wrong_rate() -> None:
    bare = b"".join(line.partition(b"*")[0] + b"\r\n" for line in SENTENCES.splitlines())
    link = health()
    link.arrived(bare, STRETCH_US)
    detail = 'NMEA sentences come at 9600 baud without checksums: set checksum = "optional" in [gps]'
    assert link.finding(STRETCH_US) == ("no_protocol", detail)
    patient = LinkHealth(GPS, 9600, 0, decoder=nmea.LenientDecoder)
    patient.arrived(bare, STRETCH_US)
    assert patient.finding(STRETCH_US) == WELL
