"""What moves the virtual car at an instant: the force that its drive asks of the engine or the brakes, and the slip.

The force follows from the acceleration, the air, the slope and the ground: soft sand rolls hard and grips little, so
the wheels turn faster than the car moves. In a jump they have no load.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from firmware_bridge.virtual.drive import Drive, Floats
from firmware_bridge.virtual.flights import GRAVITY_MPS2

MASS_KG = 2500.0
DRAG_N_PER_MPS2 = 0.85
"""Half of air density times a tall car's drag area."""
ROLLING_N, SAND_ROLLING_N = 900.0, 5600.0
"""On gravel, and what dune sand adds."""
POWER_W, PULL_N = 300_000.0, 14_000.0
"""The engine's best, and the most that first gear brings to the ground."""
ENGINE_BRAKING_N = 2000.0
"""Of a closed throttle."""
GRIP, SAND_GRIP = 0.75, 0.5
"""Force at which the wheels slip badly, as a share of the weight: on gravel, and in dune sand."""
SLIP_PER_SHARE = 0.03
"""Driven wheels run ahead of the ground by this much at the limit of grip; tyres on firm gravel."""
SPIN_FROM, SPIN, SAND_SPIN = 0.55, 0.3, 3.0
"""From this share of the grip the wheels spin; how much, and how many times more of it in dune sand."""
MOST_SLIP = 0.45
FLARE = 0.14
"""In the air the wheels speed up by this much."""


class Effort(NamedTuple):
    """Arrays over instants. `force_n` is positive when the engine pulls, `braking_n` is the force of the brakes.

    `throttle` is 0 to 1, `slip` wheel speed over ground speed less 1, `aloft` the phase of a jump (0 on the ground).
    """

    distance_m: Floats
    speed_mps: Floats
    force_n: Floats
    throttle: Floats
    braking_n: Floats
    slip: Floats
    aloft: Floats

    @property
    def power_w(self) -> Floats:
        """Return the power at the wheels; 0 when the car coasts or brakes."""
        return np.maximum(self.force_n, 0.0) * self.speed_mps * (1 + self.slip)


def effort(drive: Drive, t_s: Floats) -> Effort:
    """Return the effort at each instant of a drive."""
    path = drive.path
    distance, speed = drive.motion(t_s)
    slope, _ = path.relief(distance)
    softness = path.softness_at(distance)
    resistance = (
        DRAG_N_PER_MPS2 * speed**2 + ROLLING_N + SAND_ROLLING_N * softness + MASS_KG * GRAVITY_MPS2 * slope
    )
    force = np.where(speed > 0, MASS_KG * drive.acceleration_mps2(t_s) + resistance, 0.0)
    share = np.maximum(force, 0.0) / (MASS_KG * GRAVITY_MPS2 * (GRIP + (SAND_GRIP - GRIP) * softness))
    spin = SPIN * (1 + SAND_SPIN * softness) * np.maximum(share - SPIN_FROM, 0.0) ** 2
    aloft = drive.flights.phase(t_s)
    return Effort(
        distance,
        speed,
        force,
        np.clip(force / np.minimum(POWER_W / np.maximum(speed, 1.0), PULL_N), 0.0, 1.0) ** 0.7,
        np.maximum(-force - ENGINE_BRAKING_N, 0.0),
        np.minimum(SLIP_PER_SHARE * share + spin, MOST_SLIP) + FLARE * np.sin(np.pi * aloft),
        aloft,
    )
