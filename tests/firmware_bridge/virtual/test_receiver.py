"""Virtual receiver: sentences against an independent parser and against the drive's truth."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pynmea2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.protocols import protocol
from firmware_bridge.virtual.drive import Drive
from firmware_bridge.virtual.receiver import BLOCK, LATENCY_JITTER_S, LATENCY_S, Epoch, GpsReceiver
from firmware_bridge.wgs84 import metres_per_degree
from tests.examples import examples
from tests.firmware_bridge.virtual.courses import NOON_UTC_S, lively, steady, straight

DRIVE = lively()


def parsed(epoch: Epoch) -> list[Any]:
    return [pynmea2.parse(line, check=True) for line in epoch.data.decode("ascii").splitlines()]


def epochs(receiver: GpsReceiver, t0_s: float = 0.0, t1_s: float = DRIVE.end_s) -> list[Epoch]:
    return list(receiver.bytes_between(t0_s, t1_s))


@pytest.mark.parametrize("hz", [1, 5, 10, 25])
def test_every_sentence_parses(hz: int) -> None:
    receiver = GpsReceiver(DRIVE, hz, vtg=True, cold_start_s=20.0, dropouts=[(100.0, 104.0)])
    found = epochs(receiver, 0.0, 130.0)
    assert 130 * hz - 2 <= len(found) <= 130 * hz  # the last ones arrive later
    for epoch in found:
        formatters = [sentence.sentence_type for sentence in parsed(epoch)]
        assert formatters[0] == "RMC"
        assert "GGA" in formatters
        assert ("GSV" in formatters) is (formatters.count("GSA") == 1)


def test_our_own_decoder_takes_every_byte() -> None:
    decoder = protocol("nmea").decoder(0)
    data = b"".join(epoch.data for epoch in epochs(GpsReceiver(DRIVE, 5, cold_start_s=30.0)))
    batch = decoder.feed(data, 0)
    assert batch.rejected == []
    assert len(batch.sentences) == data.count(b"\n")


def test_fixes_are_near_the_truth() -> None:
    receiver = GpsReceiver(DRIVE, 5, sky_view=False, seed=7)
    errors, speed_errors = [], []
    for number, epoch in enumerate(epochs(receiver)):
        if number % 4:
            continue  # a pynmea2 sentence costs a while
        rmc, gga = parsed(epoch)
        truth = DRIVE.at(number / 5)
        north, east = metres_per_degree(truth.lat)
        errors.append(np.hypot((rmc.latitude - truth.lat) * north, (rmc.longitude - truth.lon) * east))
        speed_errors.append(rmc.spd_over_grnd * 1852 / 3600 - truth.speed_mps)
        assert (gga.latitude, gga.longitude) == (rmc.latitude, rmc.longitude)
        assert abs(gga.altitude + float(gga.geo_sep) - truth.alt_m) < 15.0
        assert 7 <= int(gga.num_sats) <= 15
        assert rmc.datetime == datetime.fromtimestamp(NOON_UTC_S + number / 5, UTC).replace(tzinfo=UTC)
        if truth.speed_mps > 5.0:
            assert abs((rmc.true_course - truth.course_deg + 180.0) % 360.0 - 180.0) < 3.0
    assert 0.5 < np.mean(errors) < 4.0
    assert max(errors) < 10.0
    assert abs(np.mean(speed_errors)) < 0.03
    assert 0.02 < np.std(speed_errors) < 0.1


def test_course_is_left_out_at_a_standstill() -> None:
    standing = [parsed(epoch)[0] for epoch in epochs(GpsReceiver(DRIVE, 1), 10.0, 50.0)]
    assert any(rmc.true_course is None for rmc in standing)
    assert all(rmc.spd_over_grnd < 0.6 for rmc in standing)


def test_errors_are_slow_not_only_white() -> None:
    receiver = GpsReceiver(steady(), 1, sky_view=False)
    lats = np.array([parsed(epoch)[0].latitude for epoch in epochs(receiver)])
    north, _ = metres_per_degree(24.0)
    noise = (lats - steady().sample(np.arange(len(lats), dtype=float)).lat) * north
    step = np.std(np.diff(noise))
    assert step < 0.8 * np.std(noise) * np.sqrt(2)


def test_a_cold_start_has_no_time_then_no_fix_then_both() -> None:
    receiver = GpsReceiver(DRIVE, 1, cold_start_s=30.0)
    states = []
    for epoch in epochs(receiver, 0.0, 40.0):
        rmc, gga = parsed(epoch)[:2]
        assert (rmc.status == "A") is (int(gga.gps_qual) > 0)
        states.append((rmc.timestamp is not None, rmc.status))
    assert states == [(False, "V")] * 12 + [(True, "V")] * 18 + [(True, "A")] * 10


def test_dropouts_have_time_and_no_position() -> None:
    receiver = GpsReceiver(DRIVE, 5, dropouts=[(100.0, 103.0)], sky_view=False)
    for number, epoch in enumerate(epochs(receiver, 0.0, 120.0)):
        rmc, gga = parsed(epoch)
        is_out = 100.0 <= number / 5 < 103.0
        assert (rmc.status == "V") is is_out
        assert (rmc.lat == "") is is_out
        assert int(gga.gps_qual) == (0 if is_out else 1)
        assert rmc.timestamp is not None


def test_random_dropouts_have_about_the_requested_rate() -> None:
    receiver = GpsReceiver(DRIVE, 1, dropouts_per_hour=60.0, sky_view=False)
    void = sum(b",V," in epoch.data for epoch in epochs(receiver))
    assert 20 < void < 400


@examples(15)
@given(st.lists(st.floats(0.0, 200.0), max_size=6), st.sampled_from([1, 7, 25]))
def test_any_intervals_give_the_same_bytes(cuts: list[float], hz: int) -> None:
    whole = epochs(GpsReceiver(DRIVE, hz, seed=1), 0.0, 200.0)
    edges = [0.0, *sorted(cuts), 200.0]
    receiver = GpsReceiver(DRIVE, hz, seed=1)
    assert [e for a, b in pairwise(edges) for e in receiver.bytes_between(a, b)] == whole


def test_epochs_arrive_after_their_instant_and_in_order() -> None:
    found = epochs(GpsReceiver(DRIVE, 25), 0.0, (BLOCK + 50) / 25)
    delays = [epoch.t_s - number / 25 for number, epoch in enumerate(found)]
    assert min(delays) >= LATENCY_S
    assert max(delays) <= LATENCY_S + LATENCY_JITTER_S
    assert sorted(found) == found


@pytest.mark.parametrize(
    ("lat", "lon", "hemispheres"), [(-33.5, -70.5, "SW"), (0.0, 0.0, "NE"), (60.0, -0.01, "NW")]
)
def test_every_quarter_of_the_world(lat: float, lon: float, hemispheres: str) -> None:
    drive = steady(0.0, 20.0, straight(1000.0, lat, lon))
    rmc = parsed(epochs(GpsReceiver(drive, 1, wander_m=0.0, jitter_m=0.0))[5])[0]
    assert rmc.lat_dir + rmc.lon_dir == hemispheres
    assert (rmc.latitude, rmc.longitude) == (pytest.approx(lat, abs=1e-6), pytest.approx(lon, abs=1e-6))


@pytest.mark.parametrize(
    ("utc", "second"),
    [
        ("2026-01-15T23:59:58", "2026-01-16"),
        ("2028-02-28T23:59:58", "2028-02-29"),
        ("2026-12-31T23:59:58", "2027-01-01"),
    ],
)
def test_midnight(utc: str, second: str) -> None:
    begins = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    drive = steady(10.0, 10.0, utc_s=int(begins.timestamp()))
    dates = [str(parsed(epoch)[0].datestamp) for epoch in epochs(GpsReceiver(drive, 1), 0.0, 4.0)]
    assert dates == [utc[:10], utc[:10], second, second]


def test_rates_that_do_not_divide_a_hundred_have_milliseconds() -> None:
    times = [parsed(epoch)[0].timestamp for epoch in epochs(GpsReceiver(steady(), 8), 0.0, 0.4)]
    assert [stamp.microsecond for stamp in times] == [0, 125_000, 250_000]


def test_the_talker_is_configurable() -> None:
    found = parsed(epochs(GpsReceiver(DRIVE, 1, talker="GA"), 100.0, 101.5)[0])
    assert {sentence.talker for sentence in found if sentence.sentence_type != "GSV"} == {"GA"}


@pytest.mark.parametrize("hz", [0, 26])
def test_impossible_rates_are_errors(hz: int) -> None:
    with pytest.raises(ValueError, match="1 to 25"):
        GpsReceiver(DRIVE, hz)


def test_after_the_drive_the_car_stands() -> None:
    drive: Drive = steady(10.0, 10.0)
    after = epochs(GpsReceiver(drive, 5), 20.0, 30.0)
    assert len(after) == 50
    assert all(parsed(epoch)[0].spd_over_grnd < 0.6 for epoch in after)
