"""The virtual car."""

from firmware_bridge.virtual.simulation import simulate_bytes

__all__ = ["simulate_bytes"]
