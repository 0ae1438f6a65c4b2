"""RateTrial: verdicts and when a trial ends."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.devices.baud_trial import (
    GARBAGE_BYTES,
    LISTEN_US,
    PATIENT_US,
    SAMPLE_BYTES,
    TRIAL_BYTES,
    UNDECIDED_US,
    RateTrial,
    holds,
)
from firmware_bridge.protocols import nmea
from tests.examples import examples

GOOD = nmea.encode("GPGLL,2000.00,N,04236.00,E,120000,A")
BAD = GOOD.replace(b"E", b"W")


def trial(*pieces: bytes) -> RateTrial:
    begun = RateTrial(nmea.Decoder(), began_us=1_000_000)
    for piece in pieces:
        begun.feed(piece, 1_000_001)
    return begun


@pytest.mark.parametrize(
    ("good", "bad", "answer"),
    [(0, 0, False), (2, 0, False), (3, 0, True), (3, 1, True), (3, 2, False), (6, 2, True), (90, 31, False)],
)
def test_good_pieces_must_clearly_outnumber_bad_ones(good: int, bad: int, answer: bool) -> None:
    assert holds(good, bad) is answer


@pytest.mark.parametrize(
    ("pieces", "after_us", "verdict"),
    [
        ([GOOD * 3], 0, True),
        ([GOOD[20:], GOOD * 3], 0, True),  # the first one is incomplete
        ([GOOD], 0, None),
        ([GOOD], LISTEN_US, None),  # possibly one sentence per second
        ([GOOD], UNDECIDED_US, False),
        ([], LISTEN_US - 1, None),
        ([], LISTEN_US, False),
        ([b"\x80" * GARBAGE_BYTES], 0, False),
        ([b"\x80" * (GARBAGE_BYTES - 1)], 0, None),
        ([BAD * 2], LISTEN_US, False),
        ([GOOD, BAD * 4, GOOD * 3], 0, None),
        ([GOOD, BAD * (TRIAL_BYTES // len(BAD) + 1)], 0, False),
    ],
)
def test_verdicts(pieces: list[bytes], after_us: int, verdict: bool | None) -> None:
    assert trial(*pieces).verdict(1_000_000 + after_us) is verdict


@examples(50)
@given(st.binary(min_size=GARBAGE_BYTES, max_size=4 * GARBAGE_BYTES))
def test_noise_never_holds(noise: bytes) -> None:
    assert not trial(noise).holds


def test_a_megabyte_of_noise_never_holds() -> None:
    assert trial(random.Random(11).randbytes(1 << 20)).verdict(1_000_001) is False


def test_sample_has_the_first_bytes_and_is_bounded() -> None:
    begun = trial(b"a" * (SAMPLE_BYTES - 1), b"bc", b"d")
    assert begun.sample == b"a" * (SAMPLE_BYTES - 1) + b"b"


def test_patient_trial_finds_one_sentence_per_second_among_foreign_bytes() -> None:
    patient = RateTrial(nmea.Decoder(), 0, is_mixed=True, is_patient=True)
    for second in range(1, 4):
        patient.feed(b"\x80" * 3000, second * 1_000_000 - 1)
        assert patient.verdict(second * 1_000_000 - 1) is None
        patient.feed(GOOD, second * 1_000_000)
    assert patient.verdict(3_000_000) is True


def test_a_patient_trial_of_noise_ends() -> None:
    patient = RateTrial(nmea.Decoder(), 0, is_mixed=True, is_patient=True)
    patient.feed(random.Random(11).randbytes(20_000), 1)
    assert patient.verdict(PATIENT_US - 1) is None
    assert patient.verdict(PATIENT_US) is False
