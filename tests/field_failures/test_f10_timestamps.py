"""F10: timestamps wrong or unordered (python-can, RaceCapture, SavvyCAN).

Streams pass through the real decoders. Across each wrap of a device's counter (60000, 60001 or 65536 milliseconds,
an hour, or 2^32 microseconds), times are right within a few milliseconds, in order, and never after the arrival.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from firmware_bridge.protocols import Decoder, canserial, gvret, slcan
from firmware_bridge.records import CanFrame
from tests.figures import Figures

CHUNK_US = 20_000
JITTER_US = (0, 0, 500, 3_000, 9_000)
# One step of the stamp, drift of a 50 ppm crystal over the clock's window, and the shortest delay to the host.
ALLOWED_US = 1_500
START_US = 7_000_000


def slcan_line(digits: int, modulus: int) -> Callable[[CanFrame], bytes]:
    return lambda frame: slcan.report(frame, digits, modulus)


DEVICES: dict[str, tuple[Callable[[int], Decoder], Callable[[CanFrame], bytes], int]] = {
    "slcan Z1 60000": (slcan.Decoder, slcan_line(4, 60_000), 60_000_000),
    "slcan Z1 60001": (slcan.Decoder, slcan_line(4, 60_001), 60_001_000),
    "slcan Z1 65536": (slcan.Decoder, slcan_line(4, 65_536), 65_536_000),
    "slcan Z2": (slcan.Decoder, slcan_line(8, 3_600_000_000), 3_600_000_000),
    "gvret": (gvret.Decoder, gvret.report, 2**32),
    "canserial": (canserial.Decoder, canserial.report, 2**32 * 1_000),
}


def drive(wrap_us: int, ppm: float, rate_hz: float, seconds: float) -> Iterator[tuple[int, list[CanFrame]]]:
    """Chunks with their arrival time: frames with the device's time in `t_us` and the true time as data.

    The device's counter wraps after a third of the time.
    """
    rng = random.Random(10)
    begins_us = wrap_us - seconds * 1e6 / 3
    t_us, arrival_us, chunk = float(START_US), 0, list[CanFrame]()
    end_us = START_US
    while t_us < START_US + seconds * 1e6:
        t_us += rng.expovariate(rate_hz) * 1e6
        if t_us > end_us + CHUNK_US:
            if chunk:
                arrival_us = max(arrival_us, end_us + CHUNK_US + rng.choice(JITTER_US))
                yield arrival_us, chunk
            chunk, end_us = [], int(t_us // CHUNK_US) * CHUNK_US
        device_us = int(begins_us + (t_us - START_US) * (1 + ppm / 1e6))
        chunk.append(CanFrame(device_us, 0, 0x123, int(t_us).to_bytes(8, "big")))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("ppm", [-50, 50])
@pytest.mark.parametrize(("rate_hz", "seconds"), [(400, 6), (20, 90)])
def test_times_are_right_across_a_wrap_of_the_counter(
    device: str, ppm: float, rate_hz: float, seconds: float, figures: Figures
) -> None:
    make, report, wrap_us = DEVICES[device]
    decoder = make(0)
    last_us, errors = 0, []
    for arrival_us, chunk in drive(wrap_us, ppm, rate_hz, seconds):
        batch = decoder.feed(b"".join(map(report, chunk)), arrival_us)
        assert [frame.data for frame in batch.frames] == [frame.data for frame in chunk]
        assert not batch.notices
        for frame in batch.frames:
            assert last_us <= frame.t_us <= arrival_us
            last_us = frame.t_us
            errors.append(frame.t_us - int.from_bytes(frame.data, "big"))
    errors = sorted(errors[len(errors) // 10 :])
    assert errors[len(errors) // 100] > -ALLOWED_US
    assert errors[len(errors) // 2] < ALLOWED_US
    assert errors[-len(errors) // 20] < ALLOWED_US + (0 if rate_hz > 100 else CHUNK_US)
    figures.tried(f"wraps of a device's counter, {len(DEVICES)} kinds; no frame out of order")
    figures.measured("error of frame times, median of a drive", errors[len(errors) // 2] / 1000, "ms")


@pytest.mark.parametrize("device", DEVICES)
def test_frames_in_one_chunk_keep_the_device_intervals(device: str) -> None:
    make, report, _ = DEVICES[device]
    decoder = make(0)
    times_us = [1_000_000, 1_003_000, 1_004_000, 1_019_000]
    chunk = b"".join(report(CanFrame(t_us, 0, 0x123, bytes(8))) for t_us in times_us)
    frames = decoder.feed(chunk, 5_000_000).frames
    assert [5_000_000 - frame.t_us for frame in frames] == [19_000, 16_000, 15_000, 0]


@pytest.mark.parametrize("device", DEVICES)
def test_a_restarted_device_is_followed_within_one_second(device: str, figures: Figures) -> None:
    make, report, _ = DEVICES[device]
    decoder = make(0)
    last_us = 0
    for number in range(400):
        t_us = 50_000_000 + number * 10_000
        device_us = number * 10_000 + (47_000_000 if number < 200 else -2_000_000)
        batch = decoder.feed(report(CanFrame(device_us, 0, 0x123, b"")), t_us + 1_000)
        (frame,) = batch.frames
        assert last_us <= frame.t_us <= t_us + 1_000
        last_us = frame.t_us
        if not 200 <= number < 300:
            assert abs(frame.t_us - t_us) <= 2_000
        assert [notice.kind for notice in batch.notices] == (["device_clock"] if number == 200 else [])
    figures.tried("restarts of a device, followed within a second")
