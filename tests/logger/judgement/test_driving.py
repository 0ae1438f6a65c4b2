"""What the driver does, from throttle and brake of cars with different names and units."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.records import Channel
from logger.judgement import driving
from logger.judgement.driving import BOTH, BRAKE, COASTING, STANDING, THROTTLE, Pedals, pedals, states

Values = dict[Channel, np.ndarray[tuple[int], np.dtype[np.float32]]]

THROTTLE_PCT, BRAKE_BAR = Channel("throttle_pct", "%", "car.dbc"), Channel("brake_bar", "bar", "car.dbc")


def columns(*channels: Channel) -> Values:
    return {
        channel: np.array([0, 0.5, 1] if not channel.unit else [0, 50, 100], dtype=np.float32)
        for channel in channels
    }


def of_now(values: Values) -> dict[Channel, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Every known value is of the second of its sample."""
    return {channel: np.isfinite(column) for channel, column in values.items()}


def named(*names: tuple[str, str]) -> tuple[str, str] | None:
    found = pedals(columns(*(Channel(name, unit, "x") for name, unit in names)))
    return None if found is None else (found.throttle.name, found.brake.name)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([("throttle_pct", "%"), ("brake_bar", "bar")], ("throttle_pct", "brake_bar")),
        (
            [("ThrottlePosition", "%"), ("BrakePressureFront", "kPa")],
            ("ThrottlePosition", "BrakePressureFront"),
        ),
        ([("APP", "%"), ("BrakeSwitch", "")], ("APP", "BrakeSwitch")),
        ([("AccelPedalPos1", "%"), ("BrkPedal", "%")], ("AccelPedalPos1", "BrkPedal")),
        ([("TPS1", "%"), ("pBrakeF", "bar")], ("TPS1", "pBrakeF")),
        ([("EngThrottlePos@0x00", "%"), ("BRK_SW", "")], ("EngThrottlePos@0x00", "BRK_SW")),
        # the pressure says more than the switch, and the driver's pedal more than the throttle
        (
            [
                ("BrakeSwitch", ""),
                ("brake_pct", "%"),
                ("brake_press", "bar"),
                ("throttle", "%"),
                ("accel_pedal", "%"),
            ],
            ("accel_pedal", "brake_press"),
        ),
        ([("throttle_pct", "%"), ("brake_temp_fl", "bar"), ("BrakeBias", "%"), ("ParkBrake", "")], None),
        ([("throttle_pct", "%"), ("brake_disc_c", "degC")], None),
        ([("throttle_volt", "V"), ("brake_bar", "bar")], None),
        ([("brake_pedal", "%"), ("brake_bar", "bar")], None),
        ([("ThrottleRequest", "%"), ("brake_bar", "bar")], None),
        ([("throttle_pct", "%")], None),
        ([], None),
    ],
)
def test_the_pedals_are_found(names: list[tuple[str, str]], expected: tuple[str, str] | None) -> None:
    assert named(*names) == expected


def test_a_pedal_that_never_moves_is_no_pedal() -> None:
    values = columns(THROTTLE_PCT, BRAKE_BAR)
    values[BRAKE_BAR][:] = 0
    assert pedals(values) is None


def test_the_closed_position_is_measured() -> None:
    """A closed butterfly reads 16 % over OBD-II; one value below it is noise."""
    throttle = np.concatenate([np.full(500, 16.0), np.full(500, 80.0), [3.0]]).astype(np.float32)
    brake = np.where(np.arange(len(throttle)) % 2, 0.0, 20.0).astype(np.float32)
    found = pedals({THROTTLE_PCT: throttle, BRAKE_BAR: brake})
    assert found is not None
    assert found.closed_pct == 16
    always_open = pedals(
        {THROTTLE_PCT: np.array([70, 100], dtype=np.float32), BRAKE_BAR: np.array([0, 9], dtype=np.float32)}
    )
    assert always_open is not None
    assert always_open.closed_pct == driving.MOST_CLOSED_PCT


def test_both_sides_of_every_threshold() -> None:
    open_pct = 16 + driving.OPEN_ABOVE_CLOSED_PCT
    rows = [
        # throttle, brake, speed, state
        (open_pct + 0.1, 0.0, 20.0, THROTTLE),
        (open_pct, 0.0, 20.0, COASTING),
        (open_pct, 2.1, 20.0, BRAKE),
        (open_pct, 2.0, 20.0, COASTING),
        (open_pct + 0.1, 2.1, 20.0, BOTH),
        (90.0, 30.0, 0.39, STANDING),
        (16.0, 0.0, 0.4, COASTING),
        (np.nan, 0.0, 20.0, np.nan),
        (50.0, np.nan, 20.0, np.nan),
    ]
    throttle, brake, mps, expected = (np.array(column) for column in zip(*rows, strict=True))
    found = Pedals(THROTTLE_PCT, BRAKE_BAR, 16.0)
    values = {THROTTLE_PCT: throttle.astype(np.float32), BRAKE_BAR: brake.astype(np.float32)}
    assert states(found, mps, values, of_now(values)).tolist() == pytest.approx(
        expected.tolist(), nan_ok=True
    )


def test_pedals_of_different_seconds_are_unknown() -> None:
    """The throttle of before the braking, beside the brake, is not "throttle and brake"."""
    values = {THROTTLE_PCT: np.full(4, 90, np.float32), BRAKE_BAR: np.full(4, 30, np.float32)}
    same_second = {
        THROTTLE_PCT: np.array([True, True, False, False]),
        BRAKE_BAR: np.array([True, False, True, False]),
    }
    found = states(Pedals(THROTTLE_PCT, BRAKE_BAR, 0.0), np.full(4, 20.0), values, same_second)
    assert found.tolist() == pytest.approx([BOTH, np.nan, np.nan, np.nan], nan_ok=True)


def test_a_switch_of_j1939_in_error_says_nothing() -> None:
    brake = Channel("BrakeSwitch", "", "j1939.dbc:CCVS@0x00")
    values = {THROTTLE_PCT: np.zeros(4, dtype=np.float32), brake: np.array([0, 1, 2, 3], dtype=np.float32)}
    found = Pedals(THROTTLE_PCT, brake, 0.0)
    expected = [COASTING, BRAKE, np.nan, np.nan]
    state = states(found, np.full(4, 20.0), values, of_now(values))
    assert state.tolist() == pytest.approx(expected, nan_ok=True)


def test_a_channel_without_a_unit_and_with_large_values_is_no_switch() -> None:
    values = columns(THROTTLE_PCT, Channel("brake", "", "car.dbc"))
    values[Channel("brake", "", "car.dbc")][:] = [0, 30, 80]
    assert pedals(values) is None
