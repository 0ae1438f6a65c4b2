"""Engine model of the virtual car: revs, throttle, temperatures, oil pressure, battery and fuel.

Computed from a Drive, independent of CAN. Revs are those of the wheels in the gear that is engaged (`gearbox`),
throttle and brakes those that the drive takes (`effort`); heat, charge and fuel are integrated once over the whole
drive, second by second, and interpolated. The belt drives the alternator and the water pump: when it snaps, the battery
feeds the car and the coolant boils.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from firmware_bridge.virtual.drive import Drive, Floats
from firmware_bridge.virtual.effort import MASS_KG, effort
from firmware_bridge.virtual.gearbox import Gearbox

IDLE_RPM, REDLINE_RPM = 750.0, 6300.0
LAUNCH_RPM = 2400.0
"""Added to idling at full throttle, while the clutch slips in first gear."""
CUT, BLIP = 0.9, 0.25
"""A shift up takes this share of the throttle away; a shift down needs this much of it."""
LIFT = 0.8
"""In a jump the driver takes this share of the throttle away."""
BRAKE_BAR_PER_MPS2 = 16.0
STEER_PER_DEG = 7.0
"""Of the steering wheel, for each degree by which the path turns in the 8 m around the car."""
AMBIENT_C = 24.0
THERMOSTAT_C, BOILING_C = 88.0, 122.0
HEAT_C_PER_J = 1 / 190_000.0
"""Heat capacity of coolant, block and head."""
COOLING_PER_S = 0.0085
"""Share of the difference to ambient that radiator and pump remove per second, thermostat open, at FULL_AIR_MPS."""
FULL_AIR_MPS, FAN_SHARE = 28.0, 0.08
"""Speed from which the radiator gets all the air it can use, by the square of the speed, and its fans' share of it."""
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
        self._gearbox = Gearbox(drive)
        self._grid_s = np.arange(0.0, drive.end_s + 2.0)
        grid = effort(drive, self._grid_s)
        self._slow = self._integrated(grid.power_w, grid.speed_mps)

    def sample(self, t_s: ArrayLike) -> EngineStates:
        """Return the state at each instant."""
        t = np.asarray(t_s, dtype=np.float64)
        now, gears = effort(self._drive, t), self._gearbox.at(t)
        is_moving = now.speed_mps > 0
        shift = np.sin(np.pi * gears.shifting)
        throttle = (
            now.throttle
            * np.where(gears.is_up, 1 - CUT * shift, 1.0)
            * (1 - LIFT * np.sin(np.pi * now.aloft))
        )
        throttle = np.where(gears.is_up, throttle, np.maximum(throttle, BLIP * shift)) * is_moving
        wheel_mps = np.minimum(
            now.speed_mps * (1 + now.slip), np.maximum(now.speed_mps, REDLINE_RPM / gears.rpm_per_mps)
        )
        clutch_rpm = IDLE_RPM + np.where(gears.gear == 1, LAUNCH_RPM * throttle, 0.0)
        # No engine runs perfectly evenly: add two small slow oscillations.
        rpm = np.maximum(gears.rpm_per_mps * wheel_mps, clutch_rpm)
        rpm = rpm * (1 + 0.004 * np.sin(7.3 * t) + 0.003 * np.sin(19.1 * t + 1.0))
        slow = _Slow(*(np.interp(t, self._grid_s, column) for column in self._slow))
        thin = np.clip((slow.oil_c - 60.0) / 90.0, 0.0, 1.0)  # hot oil flows away
        heading = self._drive.path.heading_deg(np.stack((now.distance_m - 4.0, now.distance_m + 4.0)))
        return EngineStates(
            rpm=rpm,
            gear=np.where(is_moving, gears.gear, 0.0),
            throttle_pct=100.0 * throttle,
            load_pct=np.clip(18.0 + 82.0 * throttle, 0.0, 100.0),
            coolant_c=slow.coolant_c,
            oil_c=slow.oil_c,
            oil_bar=(1.6 + 3.6 * np.minimum(1.0, rpm / 3500.0)) * (1.15 - 0.4 * thin),
            battery_v=slow.battery_v + 0.04 * np.sin(2.1 * t),
            fuel_pct=slow.fuel_pct,
            ambient_c=np.full(len(t), AMBIENT_C),
            wheel_kmh=3.6 * wheel_mps * WHEEL_OVER_READS,
            speed_kmh=3.6 * now.speed_mps,
            steer_deg=np.where(is_moving, np.clip(STEER_PER_DEG * (heading[1] - heading[0]), -450, 450), 0.0),
            brake_bar=now.braking_n / MASS_KG * BRAKE_BAR_PER_MPS2,
        )

    def _integrated(self, power_w: Floats, speed_mps: Floats) -> _Slow:
        """Integrate coolant, oil, battery and fuel, second by second."""
        has_belt = self._grid_s < self._belt_snaps_s
        radiator = np.minimum(1.0, speed_mps / FULL_AIR_MPS) ** 2
        radiator = has_belt * COOLING_PER_S * (FAN_SHARE + (1 - FAN_SHARE) * radiator)
        warming = (6_000.0 + 0.45 * power_w) * HEAT_C_PER_J
        coolant, oil = AMBIENT_C + 14.0, AMBIENT_C + 10.0
        coolants: list[float] = []
        oils: list[float] = []
        for warmed, cooling, oil_over in zip(
            warming.tolist(), radiator.tolist(), (8.0 + power_w / 20_000.0).tolist(), strict=True
        ):
            coolants.append(coolant)
            oils.append(oil)
            is_open = min(1.0, max(0.0, (coolant - THERMOSTAT_C + 4.0) / 8.0))
            coolant += warmed - (cooling * is_open + COOLING_WITHOUT_PUMP_PER_S) * (coolant - AMBIENT_C)
            coolant = min(coolant, BOILING_C)
            oil += (coolant + oil_over - oil) / OIL_LAG_S
        charge = np.maximum(0.0, 1 - np.cumsum(~has_belt) / BATTERY_LASTS_S)
        battery_v = BATTERY_FLAT_V + (BATTERY_FULL_V - BATTERY_FLAT_V) * np.sqrt(charge)
        burnt = np.concatenate(([0.0], np.cumsum((15_000.0 + power_w) * FUEL_PCT_PER_J)[:-1]))
        return _Slow(
            np.array(coolants),
            np.array(oils),
            np.where(has_belt, ALTERNATOR_V, battery_v),
            np.maximum(0.0, TANK_FULL_PCT - burnt),
        )
