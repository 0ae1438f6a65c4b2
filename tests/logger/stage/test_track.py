"""Speed and distance from positions alone, against known truth: rates, noises, roundings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from firmware_bridge.virtual.drive import Drive
from firmware_bridge.wgs84 import metres_per_degree
from logger.stage.track import Track
from tests.logger.stage import truth

Floats = NDArray[np.float64]

STAGE = truth.planned(
    truth.road(6000),
    [(20, 0), (7.5, 108), (40, 108), (3.75, 0), (12, 0), (5, 60), (20, 60), (2.1, 0), (8, 0), (11, 170), (20, 170),
     (5.9, 0), (15, 0)],
)  # 4 m/s2 away, 8 m/s2 braking  # fmt: skip
CRAWL = truth.planned(truth.road(1000), [(15, 0), (1, 5), (300, 5), (1, 0), (15, 0)])
STOPS = truth.planned(truth.road(2000), [(4, 0), *[(3, 43), (5, 43), (1.5, 0), (4, 0)] * 15])
BRAKING = truth.planned(
    truth.road(6000), [(3, 0), *[(6, 90), (2.2, 29), (3, 90), (6, 90)] * 10, (3.2, 0), (8, 0)]
)
HOUR = truth.planned(truth.road(1000), [(3600, 0)])


def followed(
    drive: Drive, hz: float, *, wander_m: float = 0.0, white_m: float = 0.0, step_deg: float = 1e-7
) -> tuple[float, Floats, Floats, Floats]:
    """Metres, and at each position its time, the speed of the track and the true one."""
    rng = np.random.default_rng(1)
    t = np.arange(round(drive.end_s * hz)) / hz
    true = drive.sample(t)
    off = rng.normal(0, white_m, (2, len(t))) if white_m else np.zeros((2, len(t)))
    if wander_m:
        keep = math.exp(-1 / hz / 30)
        kicks = rng.normal(0, wander_m * math.sqrt(1 - keep**2), (2, len(t)))
        wander = rng.normal(0, wander_m, 2)
        for i in range(len(t)):
            wander = wander * keep + kicks[:, i]
            off[:, i] += wander
    per_lat, per_lon = metres_per_degree(true.lat)
    lat = np.round((true.lat + off[0] / per_lat) / step_deg) * step_deg
    lon = np.round((true.lon + off[1] / per_lon) / step_deg) * step_deg
    track, metres, speeds = Track(), 0.0, []
    for moment, here in zip(t, zip(lat.tolist(), lon.tolist(), strict=True), strict=True):
        motion = track.take(round(moment * 1e6), here)
        metres += motion.way_m
        speeds.append(motion.mps)
    return metres, t, np.array(speeds), true.speed_mps


NOISES = [
    pytest.param({"step_deg": 1e-4 / 60}, id="four decimals of a minute"),
    pytest.param({"step_deg": 1e-5 / 60}, id="five decimals of a minute"),
    pytest.param({"step_deg": 1e-7}, id="seven decimals of a degree"),
    pytest.param({"step_deg": 1e-5}, id="five decimals of a degree"),
    pytest.param({"white_m": 0.1}, id="0.1 m"),
    pytest.param({"white_m": 0.5}, id="0.5 m"),
    pytest.param({"wander_m": 0.5}, id="0.5 m wander"),
    pytest.param({"wander_m": 1.5}, id="1.5 m wander"),
    pytest.param({"wander_m": 3.0}, id="3 m wander"),
]
RATES = [1, 2, 5, 10, 20, 25]


@pytest.mark.matrix(8)
@pytest.mark.parametrize("hz", RATES)
@pytest.mark.parametrize("noise", [*NOISES, pytest.param({"white_m": 2.0}, id="2 m")])
def test_a_stage_has_its_true_length(hz: float, noise: dict[str, float]) -> None:
    if noise == {"white_m": 2.0} and hz > 1:
        pytest.skip("positions of a fast receiver wander together")
    metres, *_ = followed(STAGE, hz, **noise)
    assert metres == pytest.approx(STAGE.length_m, rel=0.03)


@pytest.mark.matrix(8)
@pytest.mark.parametrize("hz", RATES)
@pytest.mark.parametrize("noise", NOISES[:8])
@pytest.mark.parametrize("drive", [pytest.param(STOPS, id="stops"), pytest.param(BRAKING, id="braking")])
def test_braking_again_and_again_adds_no_distance(drive: Drive, hz: float, noise: dict[str, float]) -> None:
    """The speed follows each braking late; the distance must not."""
    if noise == {"white_m": 0.5} and hz > 10:
        pytest.skip("positions of a fast receiver wander together")
    metres, *_ = followed(drive, hz, **noise)
    assert metres == pytest.approx(drive.length_m, rel=0.02)


@pytest.mark.slow
@pytest.mark.matrix(8)
@pytest.mark.parametrize("hz", RATES)
@pytest.mark.parametrize("noise", NOISES)
def test_an_hours_wander_adds_no_distance(hz: float, noise: dict[str, float]) -> None:
    drive = HOUR if hz <= 5 else truth.planned(truth.road(1000), [(600, 0)])
    metres, *_ = followed(drive, hz, **noise)
    assert metres < 5


@pytest.mark.slow
@pytest.mark.matrix(8)
@pytest.mark.parametrize("hz", RATES)
@pytest.mark.parametrize("noise", NOISES[:3] + NOISES[4:7])
def test_walking_pace_is_driven(hz: float, noise: dict[str, float]) -> None:
    metres, *_ = followed(CRAWL, hz, **noise)
    assert metres == pytest.approx(CRAWL.length_m, rel=0.05)


@pytest.mark.matrix(8)
@pytest.mark.parametrize("hz", RATES)
@pytest.mark.parametrize("noise", NOISES[:3])
def test_speed_is_right_after_one_second(hz: float, noise: dict[str, float]) -> None:
    """Within 3 km/h (5 if positions are rounded to 0.2 m) of a speed in the last second (two seconds at 1 Hz)."""
    within_mps = (5 if noise["step_deg"] > 1e-6 else 3) / 3.6
    _, t, speeds, true = followed(STAGE, hz, **noise)
    back = 2 if hz == 1 else math.ceil(hz)
    for i in range(back, len(t)):
        low, high = true[i - back : i + 1].min(), true[i - back : i + 1].max()
        assert low - within_mps <= speeds[i] <= high + within_mps, t[i]


def test_gaps_of_smart_recording_are_driven() -> None:
    rng, track, metres, at_s = np.random.default_rng(1), Track(), 0.0, 0.0
    while at_s < 1000:
        metres += track.take(round(at_s * 1e6), (0.0, at_s * 20 / 111_319.5)).way_m
        last_s, at_s = at_s, at_s + float(rng.uniform(1, 20))
    assert metres == pytest.approx(last_s * 20, rel=0.01)


@pytest.mark.parametrize("hz", [1, 10])
def test_a_step_of_the_receiver_is_not_driven(hz: int) -> None:
    track, metres = Track(), 0.0
    for i in range(60 * hz):
        off_m = 80.0 if i >= 30 * hz else 500.0 if i == 10 * hz else 0.0
        metres += track.take(i * 1_000_000 // hz, (off_m / 110_574, i / hz * 20 / 111_319.5)).way_m
    assert metres == pytest.approx(59.5 * 20, rel=0.03)


@pytest.mark.parametrize("hz", RATES[:4])
def test_speed_is_right_after_one_second_where_it_changes_all_the_time(hz: float) -> None:
    """At 1 Hz more than half of the measurements of scatter are disturbed by the changes of speed."""
    back = 2 if hz == 1 else math.ceil(hz)
    _, t, speeds, true = followed(STOPS, hz)
    for i in range(back, len(t)):
        low, high = true[i - back : i + 1].min(), true[i - back : i + 1].max()
        assert low - 3 / 3.6 <= speeds[i] <= high + 3 / 3.6, t[i]


def test_scattered_positions_give_no_track() -> None:
    rng, track = np.random.default_rng(1), Track()
    metres = 0.0
    for i in range(600):
        metres += track.take(i * 100_000, tuple(rng.uniform(-0.01, 0.01, 2).tolist())).way_m
        assert not track.ready
    assert metres == 0
