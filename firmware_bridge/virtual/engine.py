"""Engine model of the virtual car: revs, throttle, temperatures, oil pressure, battery and fuel.

Computed from a Drive, independent of CAN. Gear, revs and throttle follow the instantaneous speed and acceleration;
heat, charge and fuel are integrated once over the whole drive, second by second, and interpolated. The belt drives
the alternator and the water pump: when it snaps, the battery feeds the car and the coolant boils.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from firmware_bridge.virtual.drive import Drive, Floats

MASS_KG = 2500.0
DRAG_N_PER_MPS2 = 0.85
"""Half of air density times a tall car's drag area."""
ROLLING_N = 900.0
"""On gravel."""
POWER_W = 300_000.0
IDLE_RPM, REDLINE_RPM = 750.0, 6300.0
RPM_PER_MPS = (410.0, 255.0, 175.0, 135.0, 108.0, 88.0)
"""Revs for each m/s in first to sixth: gear, final drive and a 32-inch tyre."""
SHIFT_RPM_CRUISING, SHIFT_RPM_PULLING = 2600.0, 5600.0
"""Revs at which the driver shifts up, with light and with full throttle."""
AMBIENT_C = 24.0
THERMOSTAT_C, BOILING_C = 88.0, 122.0
HEAT_C_PER_J = 1 / 190_000.0
"""Heat capacity of coolant, block and head."""
COOLING_PER_S = 0.018
"""Share of the difference to ambient that radiator and pump remove per second, thermostat open."""
COOLING_WITHOUT_PUMP_PER_S = 0.0012
OIL_LAG_S = 240.0
ALTERNATOR_V = 14.1
BATTERY_FULL_V, BATTERY_FLAT_V = 12.6, 9.5
BATTERY_LASTS_S = 4200.0
"""75 Ah against 60 A of pumps, fans, lights and instruments."""
TANK_FULL_PCT, FUEL_PCT_PER_J = 96.0, 1 / 9.5e7
"""A 500 litre rally tank at a third of the fuel's energy."""
WHEEL_OVER_READS = 1.018
"""The tyres are smaller than those configured in the wheel-speed unit."""
SLIP_PER_MPS2 = 0.006
"""Gravel: driven wheels run ahead of the ground by this for each m/s2 of pull."""


class EngineStates(NamedTuple):
    """The engine at many instants, as arrays. Names are those of the alarms and of the demo's DBC."""

    rpm: Floats
    gear: Floats
    throttle_pct: Floats
    load_pct: Floats
    coolant_c: Floats
    oil_c: Floats
    oil_bar: Floats
    battery_v: Floats
    fuel_pct: Floats
    ambient_c: Floats
    wheel_kmh: Floats
    speed_kmh: Floats
    steer_deg: Floats
    brake_bar: Floats


class _Slow(NamedTuple):
    coolant_c: Floats
    oil_c: Floats
    battery_v: Floats
    fuel_pct: Floats


class Engine:
    """The engine of one drive. `belt_snaps_s`: when, in the drive's seconds, the alternator belt snaps."""

    def __init__(self, drive: Drive, *, belt_snaps_s: float | None = None) -> None:
        self._drive = drive
        self._belt_snaps_s = float("inf") if belt_snaps_s is None else belt_snaps_s
        self._grid_s = np.arange(0.0, drive.end_s + 2.0)
        _, speed = drive.motion(self._grid_s)
        self._slow = self._integrated(_power_w(speed, drive.acceleration_mps2(self._grid_s)))

    def sample(self, t_s: ArrayLike) -> EngineStates:
        """Return the state at each instant."""
        t = np.asarray(t_s, dtype=np.float64)
        distance, speed = self._drive.motion(t)
        acceleration = self._drive.acceleration_mps2(t)
        throttle = np.clip(_power_w(speed, acceleration) / POWER_W, 0.0, 1.0) ** 0.7
        gear, rpm = _gear_and_revs(speed, throttle)
        # No engine runs perfectly evenly: add two small slow oscillations.
        rpm = rpm * (1 + 0.006 * np.sin(7.3 * t) + 0.004 * np.sin(19.1 * t + 1.0))
        slow = _Slow(*(np.interp(t, self._grid_s, column) for column in self._slow))
        thin = np.clip((slow.oil_c - 60.0) / 90.0, 0.0, 1.0)  # hot oil flows away
        heading = self._drive.path.heading_deg(np.stack((distance - 4.0, distance + 4.0)))
        return EngineStates(
            rpm=rpm,
            gear=gear,
            throttle_pct=100.0 * throttle,
            load_pct=np.clip(18.0 + 82.0 * throttle, 0.0, 100.0),
            coolant_c=slow.coolant_c,
            oil_c=slow.oil_c,
            oil_bar=(1.6 + 3.6 * np.minimum(1.0, rpm / 3500.0)) * (1.15 - 0.4 * thin),
            battery_v=slow.battery_v + 0.04 * np.sin(2.1 * t),
            fuel_pct=slow.fuel_pct,
            ambient_c=np.full(len(t), AMBIENT_C),
            wheel_kmh=3.6 * speed * WHEEL_OVER_READS * (1 + SLIP_PER_MPS2 * np.maximum(acceleration, 0.0)),
            speed_kmh=3.6 * speed,
            steer_deg=np.where(speed > 0, np.clip(40.0 * (heading[1] - heading[0]), -450, 450), 0.0),
            brake_bar=np.clip(-acceleration - 0.4, 0.0, None) * 14.0,
        )

    def _integrated(self, power_w: Floats) -> _Slow:
        """Integrate coolant, oil, battery and fuel, second by second."""
        coolant, oil, charge, fuel = AMBIENT_C + 14.0, AMBIENT_C + 10.0, 1.0, TANK_FULL_PCT
        steps = []
        for t, power in zip(self._grid_s.tolist(), power_w.tolist(), strict=True):
            is_driven = t < self._belt_snaps_s
            if is_driven:
                is_open = min(1.0, max(0.0, (coolant - THERMOSTAT_C + 4.0) / 8.0))
                cooling, volts = COOLING_PER_S * is_open + COOLING_WITHOUT_PUMP_PER_S, ALTERNATOR_V
            else:
                cooling = COOLING_WITHOUT_PUMP_PER_S
                charge = max(0.0, charge - 1 / BATTERY_LASTS_S)
                volts = BATTERY_FLAT_V + (BATTERY_FULL_V - BATTERY_FLAT_V) * charge**0.5
            steps.append((coolant, oil, volts, fuel))
            coolant += (6_000.0 + 0.45 * power) * HEAT_C_PER_J - cooling * (coolant - AMBIENT_C)
            coolant = min(coolant, BOILING_C)
            oil += (coolant + 8.0 + power / 20_000.0 - oil) / OIL_LAG_S
            fuel = max(0.0, fuel - (15_000.0 + power) * FUEL_PCT_PER_J)
        return _Slow(*np.ascontiguousarray(np.array(steps).T))


def _power_w(speed_mps: Floats, acceleration_mps2: Floats) -> Floats:
    """Return the power at the wheels; 0 when the car coasts or brakes."""
    force = MASS_KG * acceleration_mps2 + DRAG_N_PER_MPS2 * speed_mps**2 + ROLLING_N * (speed_mps > 0)
    return np.maximum(force * speed_mps, 0.0)


def _gear_and_revs(speed_mps: Floats, throttle: Floats) -> tuple[Floats, Floats]:
    """Return the lowest gear below its shift revs at this throttle, and the revs; gear 0 (neutral) at standstill."""
    shift_rpm = SHIFT_RPM_CRUISING + (SHIFT_RPM_PULLING - SHIFT_RPM_CRUISING) * throttle
    revs = speed_mps[:, None] * np.array(RPM_PER_MPS)
    is_low_enough = revs <= shift_rpm[:, None]
    index = np.where(is_low_enough.any(axis=1), is_low_enough.argmax(axis=1), len(RPM_PER_MPS) - 1)
    rpm = np.clip(revs[np.arange(len(index)), index], IDLE_RPM, REDLINE_RPM)
    return np.where(speed_mps > 0, index + 1.0, 0.0), rpm
